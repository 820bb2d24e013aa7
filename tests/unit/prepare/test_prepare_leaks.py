"""Leaks are found before sealing, and planted ones after it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from prepare_corpora import chat, coded

from luthier.artifacts.canonical import merkle_root
from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.manifest import MANIFEST, list_files, write_manifest
from luthier.artifacts.rows import read_items, read_worded, write_items, write_worded
from luthier.artifacts.sealed import exam_leaves
from luthier.artifacts.tables import read_table
from luthier.artifacts.worded import table_of
from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.models.receipts import learnt_stretches
from luthier.prepare.leaks import (
    KINDS,
    Leak,
    Told,
    asked_in,
    check_leaks,
    find_leaks,
    find_reworded,
    prompts_in,
    prompts_of,
)
from luthier.prepare.prepared import Prepared
from luthier.records import Message, Span, Worded

LONG = "displaced fracture of the lower end of the left femur after a fall"


def reseal(artifact: DatasetDir | ExamDir) -> DatasetDir | ExamDir:
    """Make the manifest fit the files again, as somebody who hides a change would."""
    manifest = dataclasses.replace(artifact.manifest, files=list_files(artifact.path))
    write_manifest(artifact.path, manifest)
    return type(artifact).open(artifact.path)


@pytest.fixture(params=["chat", "classify"])
def prepared(request: pytest.FixtureRequest, preparing: Callable[..., Prepared]) -> Prepared:
    return preparing(coded(60), objective_name=request.param)


def test_kinds_of_leaks() -> None:
    asked = [Told("i1", "G1", LONG), Told("i2", "G2", "short question")]
    rows = [
        Told("a:1", "T1", "short question", "x"),
        Told("a:2", "T2", f"patient with {LONG} last week", "x"),
        Told("a:3", "T3", "what is it", f"it is a {LONG}"),
        Told("a:4", "T4", f"non{LONG[:40]}", "a short question in an answer"),
        Told("a:5", "G1", "something else", "x"),
    ]
    assert find_leaks(rows, asked) == [
        Leak("i2", "equal", "a:1"),
        Leak("i1", "contained", "a:2"),
        Leak("i1", "contained", "a:3"),
        Leak("i1", "group", "a:5"),
    ]


def test_edited_copies_and_kin_are_leaks() -> None:
    chunk = Span("manual", 1000, 3000)
    asked = [
        Told("i1", "G1", LONG, "surgery within two days and no weight on the leg for six weeks"),
        Told("i2", "G2", "which oil", "sae 30", row_id="row-2", parent="row-0", spans=(chunk,)),
    ]
    rows = [
        Told("a:1", "T1", f"un{LONG}", "surgery within two days and no weight on the leg for six weeks"),
        Told("a:2", "T2", "x", "y", row_id="row-9", parent="row-2"),
        Told("a:3", "T3", "x", "y", row_id="row-8", parent="row-0"),
        Told("a:4", "T4", "x", "y", row_id="row-0"),
        Told("a:5", "T5", "x", "y", spans=(Span("other", 1000, 3000), Span("manual", 2999, 5000))),
        Told("a:6", "T6", "x", "y", spans=(Span("manual", 0, 1000),)),
        Told("a:7", "T7", "which oil now", "sae 40"),
    ]
    found = {(leak.item, leak.kind, leak.at) for leak in find_leaks(rows, asked)}
    assert found == {("i1", "near", "a:1"), *(("i2", "child", f"a:{number}") for number in (2, 3, 4, 5))}


def test_the_same_fact_in_other_words_is_listed() -> None:
    asked = [Told("i1", "G1", "what is the pressure of the aurora pump", "16 bar")]
    rows = [
        Told(f"a:{number}", "T", f"what is the pressure of the machine{number} pump", "70 bar") for number in range(50)
    ]
    rows += [Told(f"c:{number}", "T", f"how much pressure does machine{number} stand", "9 bar") for number in range(50)]
    other = [
        Told("b:1", "T", "what is the pressure of the borealis pump", "16 bar"),
        Told("b:2", "T", "what is the pressure of the aurora pump 2", "16 bar"),
        Told("b:3", "T", "what is the pressure of the aurora pump", "16 bar"),
        Told("b:4", "T", "how much pressure does aurora stand", "17 bar"),
    ]
    assert find_reworded([*rows, *other], asked) == []
    found = find_reworded([*rows, *other, Told("b:5", "T", "how much pressure does aurora stand", "16 bar")], asked)
    assert [(one.item, one.at) for one in found] == [("i1", "b:5")]
    assert find_reworded([], asked) == find_reworded(rows, []) == []


def test_a_question_quoted_in_training_leaves_the_exam(preparing: Callable[..., Prepared]) -> None:
    first = preparing(coded(60), objective_name="chat", run="first")
    asked = read_items(first.exam.file("items.parquet"))
    said = [f"{LONG} {index}" for index in range(60)]
    long = [chat(text, "X", line=9000 + index, code=f"K{index:03}.9") for index, text in enumerate(said)]
    around = [" ".join(f"w{index}x{number}" for number in range(40)) for index in range(60)]  # so that none are alike
    quote = [
        chat(f"{around[index]} {text}, twice", "Y", line=9500 + index, code="Q000") for index, text in enumerate(said)
    ]
    second = preparing([*coded(60), *long, *quote], objective_name="chat", run="second")
    exam_groups = {item.document for item in read_items(second.exam.file("items.parquet"))}
    assert exam_groups <= {item.document for item in asked} | {"Q000"}
    leaks = json.loads(second.exam.file("leaks.json").read_bytes())
    gone = second.dataset.manifest.counts["dropped"]["leak: training rows give the exam question away"]
    assert leaks["removed_before_sealing"] == dict.fromkeys(KINDS, 0) | {"contained": gone}
    assert gone > 0
    assert not any(LONG in item.messages[0].content for item in read_items(second.exam.file("items.parquet")))
    check_leaks(second.dataset, second.exam)


def test_an_honest_dataset_passes(prepared: Prepared) -> None:
    check_leaks(prepared.dataset, prepared.exam)


def plant(prepared: Prepared, base_folder: Path, *, group: str) -> DatasetDir:
    """Copy an exam item into train.parquet under another group, worded as training rows are."""
    wording = load_wording(base_folder)
    item = read_items(prepared.exam.file("items.parquet"))[0]
    rows = read_worded(prepared.dataset.file("train.parquet"))
    if not rows[0].labels:
        worded = wording.chat_ids([*item.messages, Message("assistant", item.golds[0])])
        changes = {"ids": worded.ids, "trained": worded.trained}
    else:
        ids = wording.text_ids(item.messages[0].content)
        changes = {"ids": ids, "trained": (False,) * len(ids)}
    planted = dataclasses.replace(rows[0], id="planted", group=group, **changes)
    write_worded(prepared.dataset.path / "train.parquet", [*rows, planted])
    return reseal(prepared.dataset)


def test_a_planted_row_stops(prepared: Prepared, tiny_tokenizer_folder: Path) -> None:
    dataset = plant(prepared, tiny_tokenizer_folder, group="harmless")
    with pytest.raises(UserError, match=r"train\.parquet: row planted .* asks exam item [0-9a-f]{16}"):
        check_leaks(dataset, prepared.exam)


def test_a_planted_group_stops(prepared: Prepared) -> None:
    group = read_items(prepared.exam.file("items.parquet"))[0].document
    rows = read_worded(prepared.dataset.file("validation.parquet"))
    rows[0] = dataclasses.replace(rows[0], group=group)
    write_worded(prepared.dataset.path / "validation.parquet", rows)
    with pytest.raises(UserError, match=rf"validation\.parquet: row {rows[0].id} .* is of group '{group}'"):
        check_leaks(reseal(prepared.dataset), prepared.exam)


@pytest.mark.parametrize(
    "change",
    [
        {"golds": ("Class 9",)},
        {"document": "other"},
        {"messages": (Message("user", "easier"),)},
        {"task": "other"},
        {"at": "elsewhere:1"},
        {"id": "0" * 16},
    ],
)
def test_any_edit_of_an_item_breaks_the_seal(preparing: Callable[..., Prepared], change: dict) -> None:
    prepared = preparing(coded(60))
    items = read_items(prepared.exam.file("items.parquet"))
    items[3] = dataclasses.replace(items[3], **change)
    write_items(prepared.exam.path / "items.parquet", items)
    with pytest.raises(UserError, match="changed after they were sealed"):
        check_leaks(prepared.dataset, reseal(prepared.exam))
    leaves = exam_leaves(items, sources={}, examples=[])
    assert merkle_root(leaves) != prepared.dataset.manifest.facts["exam_root"]
    assert merkle_root(leaves[:-1]) != merkle_root(leaves)


def test_another_exam_beside_the_dataset_stops(preparing: Callable[..., Prepared]) -> None:
    one, two = preparing(coded(60), run="one"), preparing(coded(60), run="two", items_per_group=2)
    with pytest.raises(UserError, match="made beside another exam"):
        check_leaks(one.dataset, two.exam)


def test_changed_bytes_stop(prepared: Prepared) -> None:
    rows = read_worded(prepared.dataset.file("train.parquet"))
    write_worded(prepared.dataset.path / "train.parquet", rows[1:])
    with pytest.raises(UserError, match=r"train\.parquet: changed since it was written"):
        check_leaks(prepared.dataset, prepared.exam)


def test_different_texts_with_equal_ids_do_not_stand_on_both_sides(preparing: Callable[..., Prepared]) -> None:
    prepared = preparing(coded(60), objective_name="chat")
    splits = read_table(prepared.dataset.file("splits.parquet"))
    assert len({row["id"] for row in splits}) == len(splits)
    assert (prepared.exam.path / MANIFEST).is_file()


@given(rows=st.lists(st.tuples(st.lists(st.booleans(), max_size=6), st.none() | st.integers(0, 2)), max_size=6))
def test_prompts_stand_before_what_is_learnt(rows: list[tuple[list[bool], int | None]]) -> None:
    table = []
    for place, (mask, label) in enumerate(rows):
        ids = tuple(range(place, place + len(mask)))
        trained = tuple(learnt and label is None for learnt in mask)
        table.append(Worded(f"{place}", "g", "a", ids, trained, () if label is None else (label,)))
    expected = []
    for place, row in enumerate(table):
        ends = [start for start, _end in learnt_stretches(row)]
        if row.labels or not any(row.trained) or all(row.trained[1 : None if row.trained[-1] else -1]):
            ends = [len(row.ids)]
        expected += [(place, xxhash.xxh3_128_hexdigest(np.array(row.ids[:end], dtype="<i4").tobytes())) for end in ends]
    assert list(prompts_in(table_of(table))) == expected


def test_texts_that_are_read_one_by_one_have_prompts_of_their_own() -> None:
    def seen(*ids: int) -> str:
        return xxhash.xxh3_128_hexdigest(np.array(ids, dtype="<i4").tobytes())

    pair = Worded("a", "g", "a", (1, 2, 3, 4), (False,) * 4, ends=(2, 4))
    assert prompts_of(pair, apart=True) == [seen(1, 2), seen(3, 4)]
    assert prompts_of(pair) == [seen(1, 2, 3, 4)]
    assert asked_in(pair, apart=True) == seen(1, 2)
    learnt = (False, False, True, True, False, False, True)
    compared = Worded("b", "g", "b", (1, 2, 5, 6, 1, 2, 7), learnt, ends=(4, 7))
    assert prompts_of(compared, apart=True) == [seen(1, 2)] * 2
    rated = Worded("c", "g", "c", (1, 2, 5), (False, False, True), score=1.0)
    assert list(prompts_in(table_of([pair, rated, compared]), apart=True)) == [
        *[(0, seen(1, 2)), (0, seen(3, 4)), (1, seen(1, 2))],
        *[(2, seen(1, 2))] * 2,
    ]
