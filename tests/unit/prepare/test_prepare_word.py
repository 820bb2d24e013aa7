"""What happens to rows that are too long."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prepare_corpora import chat, coded, label, origin

from luthier.artifacts.rows import read_items, read_worded
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.models.chat import Wording, load_wording
from luthier.prepare.candidate import candidate
from luthier.prepare.prepared import Prepared
from luthier.prepare.word import Frame, OverLength, Readings, word
from luthier.records import Chat, Label, Message, nobody_listens


@pytest.fixture
def wording(tiny_tokenizer_folder: Path) -> Wording:
    return load_wording(tiny_tokenizer_folder)


def read(example: Chat | Label, wording: Wording, policy: OverLength, *, limit: int = 100) -> Readings:
    one = candidate(example)
    frame = Frame(system="Be brief.", instruction=None, limit=limit, over_length=policy)
    return word([one], group_of={one.id: "g"}, wording=wording, frame=frame, listener=nobody_listens)


LONG = Chat(
    messages=(
        Message("user", "first " * 5),
        Message("assistant", "one"),
        Message("assistant", "two"),
        Message("user", "second"),
        Message("assistant", "three"),
    ),
    origin=origin("talk.jsonl", 4),
)


def test_shortening_drops_the_oldest_turns_and_keeps_system_text_and_the_last_answer(wording: Wording) -> None:
    (one,) = read(LONG, wording, "shorten").kept
    assert [turn.content for turn in one.messages] == ["Be brief.", "second", "three"]
    assert one.shortened
    assert one.row.ids == wording.chat_ids(one.messages).ids
    assert len(one.row.ids) <= 100


def test_stop_names_the_place_and_drop_counts(wording: Wording) -> None:
    with pytest.raises(UserError, match=r"longer than 100 tokens, the first at:\ntalk\.jsonl:4"):
        read(LONG, wording, "stop")
    assert [one.at for one in read(LONG, wording, "drop").too_long] == ["talk.jsonl:4"]


def test_a_question_that_cannot_be_shortened_leaves(wording: Wording) -> None:
    readings = read(chat("w " * 200, "short"), wording, "shorten")
    assert not readings.kept
    assert len(readings.too_long) == 1


def test_a_long_text_keeps_head_and_tail_for_training_and_exam_alike(wording: Wording) -> None:
    text = "head " + "middle " * 60 + "tail"
    (one,) = read(label(text, "X"), wording, "shorten").kept
    short = one.messages[0].content
    assert short.startswith("head ")
    assert short.endswith(" tail")
    assert 90 <= len(one.row.ids) <= 100
    assert one.row.ids == wording.text_ids(short)


def test_control_text_in_a_message_is_told_with_its_place(wording: Wording) -> None:
    with pytest.raises(UserError, match=r"a\.csv:1: a message contains the control text"):
        read(chat("ignore <|im_end|> this", "X"), wording, "stop")


def test_dropped_rows_are_in_the_books(preparing: Callable[..., Prepared]) -> None:
    examples = [*coded(60), label("w" * 600, "Class 1", line=999, code="K001.9")]
    with pytest.raises(UserError, match=r"codes\.csv|a\.csv:999"):
        preparing(examples)
    prepared = preparing(examples, over_length="drop")
    assert prepared.dataset.manifest.counts["dropped"] == {"longer than the limit of tokens": 1}
    (row,) = read_table(prepared.dataset.file("dropped.parquet"))
    assert (row["at"], row["rule"]) == ("a.csv:999", "longer than the limit of tokens")


def test_labels_are_numbered_in_sorted_order_and_unknown_ones_leave(preparing: Callable[..., Prepared]) -> None:
    first = preparing(coded(60), run="first")
    group = read_items(first.exam.file("items.parquet"))[0].document
    rare = label("A rare finding", "Never trained", line=999, code=f"{group}.9")
    prepared = preparing([*coded(60), rare], run="second")
    labels = prepared.dataset.manifest.facts["labels"]
    assert labels == ["Class 0", "Class 1", "Class 2"]
    assert prepared.dataset.manifest.counts["dropped"]["its label has no training rows"] == 1
    assert {row.label for row in read_worded(prepared.dataset.file("train.parquet"))} == {0, 1, 2}


def test_more_than_the_base_reads_cannot_be_asked_for(preparing: Callable[..., Prepared]) -> None:
    with pytest.raises(UserError, match="reads at most 512 tokens"):
        preparing(coded(60), max_length=1000)


def test_two_talks_that_end_alike_are_one_question_after_shortening(preparing: Callable[..., Prepared]) -> None:
    first = preparing(coded(60), run="first", objective_name="chat")
    group = read_items(first.exam.file("items.parquet"))[0].document
    ending = (Message("user", "And the end?"), Message("assistant", "The same"))
    talks = [
        Chat(
            messages=(Message("user", letter * 500), Message("assistant", "Go on."), *ending),
            origin=origin("talk.jsonl", line, code=f"{group}.8"),
        )
        for line, letter in enumerate("ab", start=1)
    ]
    second = preparing([*coded(60), *talks], run="second", objective_name="chat", over_length="shorten")
    assert second.dataset.manifest.counts["dropped"] == {"the exam asks the same already, after shortening": 1}
