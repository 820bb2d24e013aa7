"""The stage as a whole: books, sides, seal, reruns, bad input."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from prepare_corpora import chat, coded, label

from luthier.artifacts.rows import read_items, read_worded
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.objectives import objective
from luthier.prepare.config import PrepareConfig, Target
from luthier.prepare.leaks import check_leaks
from luthier.prepare.prepared import Prepared
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.prepare.stage import prepare
from luthier.records import Chat, Label, Message, Text

Preparing = Callable[..., Prepared]


def as_chat(examples: list) -> list[Chat]:
    return [
        Chat(messages=(Message("user", one.text), Message("assistant", one.label)), origin=one.origin)
        for one in examples
    ]


def sides(prepared) -> dict[str, dict[str, str]]:
    """Part -> row id -> group, as written."""
    found: dict[str, dict[str, str]] = {"train": {}, "validation": {}, "exam": {}}
    for row in read_table(prepared.dataset.file("splits.parquet")):
        found[row["part"]][row["id"]] = row["group"]
    return found


def test_no_group_stands_on_two_sides_and_the_books_balance(preparing: Preparing) -> None:
    examples = [
        *coded(60),
        label("  ", "Class 1", line=900, code="K001.9"),
        label("same", "same", file="codes.csv", line=901, code="K9"),
    ]
    examples += [dataclasses.replace(one, text=one.text.upper()) for one in coded(4)]
    prepared = preparing(examples)
    parts = sides(prepared)
    groups = [set(rows.values()) for rows in parts.values()]
    assert all(groups)
    assert sum(map(len, groups)) == len(set().union(*groups))
    counts = prepared.dataset.manifest.counts
    assert counts["examples"] == len(examples)
    assert counts["merged"] == 12
    assert counts["dropped"]["empty question"] == 1
    assert counts["dropped"]["the answer repeats the question"] == 1
    kept = sum(counts[part] for part in parts)
    assert counts["examples"] == kept + counts["merged"] + sum(counts["dropped"].values())
    dropped = Counter(row["rule"] for row in read_table(prepared.dataset.file("dropped.parquet")))
    assert dropped == Counter({**counts["dropped"], "duplicate": 12})
    assert len(read_worded(prepared.dataset.file("train.parquet"))) == counts["train"] == len(parts["train"])


def test_chat_and_classify_divide_the_same_folder_alike(preparing: Preparing) -> None:
    classify = preparing(coded(60), run="classify")
    talk = preparing(as_chat(coded(60)), run="talk", objective_name="chat", instruction="Which class?")
    assert {part: set(rows.values()) for part, rows in sides(classify).items()} == {
        part: set(rows.values()) for part, rows in sides(talk).items()
    }


def test_labels_become_chat_and_single_turn_chat_becomes_labels(preparing: Preparing) -> None:
    talk = preparing(coded(60), run="talk", objective_name="chat", instruction="Which class?", system="Be brief.")
    items = read_items(talk.exam.file("items.parquet"))
    assert [turn.role for turn in items[0].messages] == ["system", "user"]
    assert items[0].messages[1].content.startswith("Which class?\n\nFinding ")
    turned = preparing(as_chat(coded(60)), run="labels", instruction="Which class?")
    assert turned.dataset.manifest.facts["labels"] == ["Class 0", "Class 1", "Class 2"]
    item = read_items(turned.exam.file("items.parquet"))[0]
    assert item.messages[0].content.startswith("Finding ")


def test_the_exam_has_enough_groups_and_at_most_five_items_of_each(preparing: Preparing) -> None:
    prepared = preparing(coded(100, each=9))
    items = read_items(prepared.exam.file("items.parquet"))
    sizes = Counter(item.document for item in items)
    assert len(sizes) >= 20
    assert max(sizes.values()) == 5
    assert [item.id for item in items] == sorted(item.id for item in items)
    assert prepared.dataset.manifest.counts["dropped"] == {
        "more exam items than one group may hold": 4 * len(sizes),
    }
    assert prepared.dataset.manifest.facts["warnings"] == []


def test_rerun_finds_both_folders_and_a_fresh_run_writes_the_same_bytes(preparing: Preparing) -> None:
    first = preparing(coded(60), run="one", objective_name="chat")
    again = preparing(coded(60), run="one", objective_name="chat")
    assert again == first
    other = preparing(list(reversed(coded(60))), run="two", objective_name="chat")
    # The sheet names the corpus, whose rows stand in another order.
    assert _beside_the_sheet(other) == _beside_the_sheet(first)
    assert other.exam.digest == first.exam.digest


def test_a_change_beside_the_exam_keeps_the_sealed_exam(preparing: Preparing) -> None:
    first = preparing(coded(200), run="one")
    items = {item.document for item in read_items(first.exam.file("items.parquet"))}
    fewer = [one for one in coded(200) if one.origin.columns["code"][:4] in items or one.origin.line % 2]
    second = preparing(fewer, run="one")
    assert second.dataset.digest != first.dataset.digest
    assert second.exam.digest == first.exam.digest
    assert second.dataset.manifest.facts["exam_root"] == first.dataset.manifest.facts["exam_root"]


def test_general_text_is_worded_for_chat_and_absent_for_classify(preparing: Preparing) -> None:
    talk = preparing(coded(60), run="talk", objective_name="chat")
    exam = read_worded(talk.exam.file("general.parquet"))
    validation = read_worded(talk.dataset.file("general.parquet"))
    assert len(exam) >= 200
    assert len(validation) >= 60
    assert not {row.group for row in exam} & {row.group for row in validation}
    for row in exam:
        assert row.trained == (False,) + (True,) * (len(row.ids) - 1)
        assert 200 <= row.answer_bytes <= 512
        assert row.answer_bytes == len(row.ids) - 1 or len(row.ids) == 512
    classify = preparing(coded(60), run="classify")
    assert read_worded(classify.exam.file("general.parquet")) == []


def test_conflicting_answers_are_trained_but_never_examined(preparing: Preparing) -> None:
    examples = coded(60)
    twisted = [dataclasses.replace(one, label="Class 9") for one in examples if one.origin.line % 3 == 2]
    twisted = [
        dataclasses.replace(one, origin=dataclasses.replace(one.origin, at=f"b:{one.origin.line}")) for one in twisted
    ]
    prepared = preparing([*examples, *twisted])
    assert prepared.dataset.manifest.counts["conflicts"] == 2 * len(twisted)
    asked = {item.messages[0].content for item in read_items(prepared.exam.file("items.parquet"))}
    assert asked
    assert not asked & {one.text for one in twisted}


def test_text_without_questions_is_counted_and_stops_only_when_alone(preparing: Preparing) -> None:
    prose = [Text(text="Some prose.", origin=one.origin) for one in coded(2)]
    prose = [
        dataclasses.replace(one, origin=dataclasses.replace(one.origin, at=f"p:{i}")) for i, one in enumerate(prose)
    ]
    prepared = preparing([*coded(60), *prose])
    assert (
        prepared.dataset.manifest.counts["dropped"][
            "plain text without a question and an answer, which objective 'complete' would learn from"
        ]
        == 6
    )
    with pytest.raises(UserError, match="6 x plain text without a question"):
        preparing(prose, run="alone")


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "holds no examples"),
        ([dataclasses.replace(one, text="Again", label="B") for one in coded(8)], "say the same as codes.csv:2"),
        ([dataclasses.replace(one, label="B") for one in coded(60)], "one class only"),
        (coded(4, each=2), "at least 10 are needed"),
        ([dataclasses.replace(one, label="") for one in coded(60)], "180 x empty answer"),
    ],
)
def test_a_corpus_that_cannot_be_learnt_from_stops(preparing: Preparing, tmp_path: Path, examples, message) -> None:
    with pytest.raises(UserError, match=message) as caught:
        preparing(examples)
    assert caught.value.exit_code == 3
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["corpus"]


def test_an_answer_longer_than_the_base_reads_names_its_row(preparing: Preparing) -> None:
    examples = [*coded(60), chat("Why?", "x" * 600, file="long.csv", line=7, code="Z00.1")]
    for policy in (None, "stop", "shorten"):
        with pytest.raises(UserError, match=r"long\.csv:7: the answer alone has 601 tokens and the limit is 512"):
            preparing(examples, objective_name="chat", over_length=policy)


def test_one_file_goes_on_with_held_out_questions_and_a_warning(preparing: Preparing) -> None:
    prepared = preparing(coded(4, each=20), group_by=None, objective_name="chat")
    first, *rest = prepared.dataset.manifest.facts["warnings"]
    assert first.startswith("INCONCLUSIVE by construction: the exam has 5 questions from 1 group, and a verdict needs")
    assert "in 1 group (by file)" in first
    assert "columns found: code" in first
    assert len(rest) == 2
    parts = sides(prepared)
    assert {part: set(rows.values()) for part, rows in parts.items()} == {
        "train": {"codes.csv"},
        "validation": {"codes.csv (validation questions)"},
        "exam": {"codes.csv (exam questions)"},
    }
    check_leaks(prepared.dataset, prepared.exam)


def test_few_groups_go_on_with_a_warning(preparing: Preparing) -> None:
    few = preparing(coded(5, each=20)).dataset.manifest.facts["warnings"]
    assert few[0].startswith("INCONCLUSIVE by construction")
    assert "5 groups (by column code[:4])" in few[0]


def test_a_missing_column_names_the_columns_there_are(preparing: Preparing) -> None:
    with pytest.raises(UserError, match=r"no file has a column 'category'\. Columns found: code\."):
        preparing(coded(60), group_by="category[:3]")


def test_an_encoder_cannot_chat(tmp_path: Path, preparing: Preparing, base: Base) -> None:
    corpus = preparing(coded(60)).dataset  # any artifact: the check comes before the corpus is read
    encoder = dataclasses.replace(base, architecture="encoder")
    target = Target(encoder, objective("chat"), PseudonymKey(b"k" * 32), tmp_path)
    with pytest.raises(UserError, match="needs a decoder"):
        prepare(corpus, target=target, config=PrepareConfig(), out=tmp_path / "x")


def test_receipts_and_facts_are_written(preparing: Preparing) -> None:
    prepared = preparing(coded(60), objective_name="chat")
    receipts = json.loads(prepared.dataset.file("receipts.json").read_bytes())
    assert set(receipts) == {"R1", "R2", "R3", "R4", "R5", "R6", "R8", "R9", "R11"}
    assert receipts["R4"]["turns"] == receipts["R1"]["rows"] == 180
    seal = json.loads(prepared.exam.file("seal.json").read_bytes())
    assert seal["root"] == prepared.dataset.manifest.facts["exam_root"]
    assert isinstance(coded(1)[0], Label)


def _beside_the_sheet(prepared: Prepared) -> dict[str, object]:
    files = prepared.dataset.manifest.files
    return {name: files[name] for name in files if not name.startswith("sheet.")}
