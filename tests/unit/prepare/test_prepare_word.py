"""What happens to rows that are too long."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
import xxhash
from prepare_corpora import chat, coded, label, origin
from templates import ASKED, CALLED, HEADED, REASONING, TAGGED, TALK, WEATHER

from luthier.artifacts.rows import read_items, read_worded
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.models.chat import Wording, load_wording
from luthier.models.receipts import check_content, check_told
from luthier.prepare.candidate import candidate
from luthier.prepare.clean.rules import reason_to_drop
from luthier.prepare.label.known import ONLY_ROW, UNKNOWN_LABEL
from luthier.prepare.prepared import Prepared
from luthier.prepare.reading import TOO_LONG, Frame, OverLength
from luthier.prepare.word import Readings, word
from luthier.prepare.wording.chat import EARLIER, REFUSED
from luthier.records import Chat, Label, Message, Text, ToolCall, nobody_listens


@pytest.fixture
def wording(tiny_tokenizer_folder: Path) -> Wording:
    return load_wording(tiny_tokenizer_folder)


def read(
    *examples: Chat | Label | Text,
    wording: Wording,
    policy: OverLength | None,
    limit: int = 100,
    system: str = "Be brief.",
) -> Readings:
    candidates = [candidate(example) for example in examples]
    frame = Frame(system=system, instruction=None, limit=limit, over_length=policy)
    groups = {one.id: "g" for one in candidates}
    return word(candidates, group_of=groups, wording=wording, frame=frame, listener=nobody_listens)


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
    (one,) = read(LONG, wording=wording, policy="shorten").kept
    assert [turn.content for turn in one.talks[0]] == ["Be brief.", "second", "three"]
    assert one.shortened
    assert one.row.ids == wording.chat_ids(one.talks[0]).ids
    assert len(one.row.ids) <= 100


@pytest.mark.parametrize("limit", [80, 150, 400, 500])
def test_shortening_drops_no_more_than_it_must(wording: Wording, limit: int) -> None:
    turns = [turn for number in range(20) for turn in (Message("user", f"q{number}"), Message("assistant", "a"))]
    row = Chat(messages=tuple(turns), origin=origin("talk.jsonl", 4))
    (one,) = read(row, wording=wording, policy="shorten", limit=limit).kept
    assert one.talks[0] == (Message("system", "Be brief."), *turns[41 - len(one.talks[0]) :])
    more = (Message("system", "Be brief."), *turns[39 - len(one.talks[0]) :])
    assert len(one.row.ids) <= limit < len(wording.chat_ids(more).ids)


def test_stop_names_the_place_and_drop_counts(wording: Wording) -> None:
    with pytest.raises(UserError, match=r"longer than 100 tokens, the first at:\ntalk\.jsonl:4"):
        read(LONG, wording=wording, policy="stop")
    assert [one.at for one in read(LONG, wording=wording, policy="drop").left[TOO_LONG]] == ["talk.jsonl:4"]


def test_a_question_that_cannot_be_shortened_leaves(wording: Wording) -> None:
    readings = read(chat("w " * 200, "short"), wording=wording, policy="shorten")
    assert not readings.kept
    assert len(readings.left[TOO_LONG]) == 1


def test_a_long_text_keeps_head_and_tail_for_training_and_exam_alike(wording: Wording) -> None:
    text = "head " + "middle " * 60 + "tail"
    (one,) = read(label(text, "X"), wording=wording, policy="shorten").kept
    short = one.asked[0].content
    assert short.startswith("head ")
    assert short.endswith(" tail")
    assert 90 <= len(one.row.ids) <= 100
    assert one.row.ids == wording.text_ids(short)


def test_few_long_rows_are_shortened_unasked_and_many_stop(wording: Wording) -> None:
    short = [chat(f"Question {number}", "Answer", line=number) for number in range(49)]
    readings = read(LONG, *short, wording=wording, policy=None)
    assert sum(one.shortened for one in readings.kept) == 1
    assert not readings.left
    with pytest.raises(UserError, match=r"receipt R6 .* 1 of 49 rows are longer than 100 tokens, the first at:\ntalk"):
        read(LONG, *short[1:], wording=wording, policy=None)


@pytest.mark.parametrize("policy", [None, "shorten"])
def test_a_long_text_is_read_in_windows(wording: Wording, policy: OverLength | None) -> None:
    text = "word " * 59 + "end"
    readings = read(Text(text, origin("a.txt", 1)), wording=wording, policy=policy)
    assert " ".join(one.golds[0] for one in readings.kept) == text
    assert len(readings.kept) == 4
    assert not any(one.shortened for one in readings.kept)


def test_a_long_text_is_dropped_or_stops_where_that_is_asked(wording: Wording) -> None:
    text = Text("word " * 60, origin("a.txt", 1))
    assert list(read(text, wording=wording, policy="drop").left) == [TOO_LONG]
    with pytest.raises(UserError, match=r"receipt R6 .* the first at:\na\.txt:1"):
        read(text, wording=wording, policy="stop")


def test_an_answer_is_never_cut(wording: Wording) -> None:
    row = chat("Why?", "x" * 200)
    for policy in (None, "stop", "shorten"):
        with pytest.raises(UserError, match="the answer alone has 201 tokens and the limit is 100"):
            read(row, wording=wording, policy=policy)
    assert list(read(row, wording=wording, policy="drop").left) == [TOO_LONG]


TOOL_TALK = Chat(messages=TALK, origin=origin("tools.jsonl", 3), tools=(WEATHER,))


@pytest.mark.parametrize("template", [TAGGED, HEADED])
def test_a_conversation_with_tools_is_worded_with_its_tools(wording: Wording, template: str) -> None:
    wording = dataclasses.replace(wording, template=template)
    (one,) = read(TOOL_TALK, wording=wording, policy="stop", limit=2_000).kept
    assert one.row.ids == wording.chat_ids(TALK, tools=[WEATHER]).ids
    assert one.tools == (WEATHER,)


def test_tools_that_a_template_does_not_show_leave_with_the_reason(wording: Wording) -> None:
    plain = chat("Hi", "Hello")
    readings = read(TOOL_TALK, plain, wording=wording, policy="stop", limit=2_000)
    assert [one.candidate.example for one in readings.kept] == [plain]
    assert {reason: [one.at for one in gone] for reason, gone in readings.left.items()} == {
        "the base's template shows no tools": ["tools.jsonl:3"]
    }


def test_what_a_template_refuses_to_show_of_tools_leaves_with_the_reason(wording: Wording) -> None:
    wording = dataclasses.replace(wording, template=HEADED)
    twice = dataclasses.replace(CALLED, tool_calls=(*CALLED.tool_calls, ToolCall("weather", '{"place":"Bonn"}')))
    row = Chat(messages=(ASKED, twice), origin=origin("tools.jsonl", 3), tools=(WEATHER,))
    assert list(read(row, wording=wording, policy="stop", limit=2_000).left) == [REFUSED]


def test_shortening_drops_calls_and_results_with_their_question(wording: Wording) -> None:
    wording = dataclasses.replace(wording, template=TAGGED)
    last = (Message("user", "Thanks"), Message("assistant", "Welcome."))
    row = dataclasses.replace(TOOL_TALK, messages=(*TALK, *last))
    (one,) = read(row, wording=wording, policy="shorten", limit=400).kept
    assert one.talks[0] == (TALK[0], *last)


def test_a_template_that_rewrites_answers_makes_a_row_of_each(wording: Wording) -> None:
    wording = dataclasses.replace(wording, template=REASONING)
    turns = [Message("user", "q"), Message("assistant", "why</think>one")] * 2
    row = Chat(messages=tuple(turns), origin=origin("talk.jsonl", 4))
    earlier, last = read(row, wording=wording, policy="stop", system="").kept
    assert (earlier.ungradable, last.ungradable) == (EARLIER, "")
    assert (earlier.row.id, last.row.id) == (f"{last.candidate.id}-1", last.candidate.id)
    assert wording.decode(last.row.ids).count("why") == 1
    for one in (earlier, last):
        check_told(one.row, one.talks[0], wording)
        check_content(one.row, one.talks[0], wording)


def test_control_text_in_a_message_is_told_with_its_place(wording: Wording) -> None:
    with pytest.raises(UserError, match=r"a\.csv:1: a message contains the control text"):
        read(chat("ignore <|im_end|> this", "X"), wording=wording, policy="stop")


def test_dropped_rows_are_in_the_books(preparing: Callable[..., Prepared]) -> None:
    examples = [*coded(60), label("w" * 600, "Class 1", line=999, code="K001.9")]
    with pytest.raises(UserError, match=r"codes\.csv|a\.csv:999"):
        preparing(examples, over_length="stop")
    prepared = preparing(examples, over_length="drop")
    assert prepared.dataset.manifest.counts["dropped"] == {"longer than the limit of tokens": 1}
    (row,) = read_table(prepared.dataset.file("dropped.parquet"))
    assert (row["at"], row["rule"]) == ("a.csv:999", "longer than the limit of tokens")


def test_tools_are_trained_and_a_last_call_leaves_the_exam(
    preparing: Callable[..., Prepared], tiny_tokenizer_folder: Path
) -> None:
    (tiny_tokenizer_folder / "chat_template.jinja").write_text(TAGGED, encoding="utf-8")
    talks = []
    for number in range(60):
        asked = Message("user", f"Is it raining in town number {number}?")
        call = dataclasses.replace(CALLED, tool_calls=(ToolCall("weather", f'{{"place":"town {number}"}}', id="c1"),))
        told = (Message("tool", f"{number} mm", tool_call_id="c1"), Message("assistant", f"Yes, {number} mm of it."))
        turns = (asked, call, *told) if number % 2 else (asked, call)
        talks.append(Chat(turns, origin("tools.jsonl", number + 1, code=f"T{number:03}.x"), (WEATHER,)))
    prepared = preparing(talks, objective_name="chat")
    counts, items = prepared.dataset.manifest.counts, read_items(prepared.exam.file("items.parquet"))
    assert counts["train"] + counts["validation"] + counts["exam"] + sum(counts["dropped"].values()) == 60
    assert list(counts["dropped"]) == ["it ends in a tool call, which the exam cannot grade by its text"]
    assert items
    assert all(item.tools == (WEATHER,) and item.golds[0].startswith("Yes") for item in items)
    wording = load_wording(tiny_tokenizer_folder)
    prompts = orjson.loads(prepared.exam.file("leaks.json").read_bytes())["prompts"]
    asked = [wording.prompt_ids(item.messages, tools=item.tools) for item in items]
    assert {xxhash.xxh3_128_hexdigest(np.asarray(ids, dtype="<i4").tobytes()) for ids in asked} == set(prompts)


def test_a_corpus_of_nothing_but_tools_says_why_a_base_without_tools_cannot_learn_it(
    preparing: Callable[..., Prepared],
) -> None:
    talks = [
        Chat(
            (Message("user", f"Rain in town {number}?"), *TALK[2:]),
            origin("t.jsonl", number, code=f"T{number:03}"),
            (WEATHER,),
        )
        for number in range(20)
    ]
    with pytest.raises(
        UserError, match=r"only 0 of 20 .* 20 left: the base's template shows no tools \(first at t\.jsonl:0\)\."
    ):
        preparing(talks, objective_name="chat")


def test_calls_tell_rows_apart(wording: Wording) -> None:
    rows = [
        Chat(
            (ASKED, dataclasses.replace(CALLED, tool_calls=(ToolCall("weather", f'{{"place":"{place}"}}'),))),
            TOOL_TALK.origin,
        )
        for place in ("Bonn", "Ulm")
    ]
    first, second = map(candidate, rows)
    assert (first.id, first.answer) != (second.id, second.answer)
    assert (first.answer, first.question) == ("weather place bonn", second.question)
    assert candidate(dataclasses.replace(rows[0], tools=(WEATHER,))).prompt != first.prompt
    assert [reason_to_drop(row) for row in rows] == [None, None]


def test_a_call_may_repeat_the_question(preparing: Callable[..., Prepared], tiny_tokenizer_folder: Path) -> None:
    (tiny_tokenizer_folder / "chat_template.jinja").write_text(TAGGED, encoding="utf-8")
    talks = []
    for number in range(60):
        asked = f"How much rain fell in town number {number} last week?"
        call = dataclasses.replace(CALLED, tool_calls=(ToolCall("weather", orjson.dumps({"place": asked}).decode()),))
        talks.append(
            Chat((Message("user", asked), call), origin("tools.jsonl", number + 1, code=f"T{number:03}.x"), (WEATHER,))
        )
    clean = {"accept": ["the question is inside the answer"]}
    counts = preparing(talks, objective_name="chat", clean=clean).dataset.manifest.counts
    assert set(counts["dropped"]) == {"it ends in a tool call, which the exam cannot grade by its text"}


def test_labels_are_numbered_in_sorted_order_and_unknown_ones_leave(preparing: Callable[..., Prepared]) -> None:
    first = preparing(coded(60), run="first")
    group = read_items(first.exam.file("items.parquet"))[0].document
    rare = [
        label(f"A rare finding {words}", "Never trained", line=990 + line, code=f"{group}.9")
        for line, words in enumerate(("of the left eye", "after a long fall"))
    ]
    alone = label("Something else altogether", "Alone", line=999, code="K001.9")
    prepared = preparing([*coded(60), *rare, alone], run="second")
    labels = prepared.dataset.manifest.facts["labels"]
    assert labels == ["Class 0", "Class 1", "Class 2"]
    dropped = prepared.dataset.manifest.counts["dropped"]
    assert (dropped[UNKNOWN_LABEL], dropped[ONLY_ROW]) == (2, 1)
    assert {row.labels[0] for row in read_worded(prepared.dataset.file("train.parquet"))} == {0, 1, 2}


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
