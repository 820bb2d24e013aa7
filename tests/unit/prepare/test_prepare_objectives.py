"""Every objective's rows and exam items: worded as they will be served, counted, and never on two sides."""

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepare_corpora import WORDS, origin, preference, rows_for, sentence, tags

from luthier.artifacts.rows import read_items, read_worded
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.graders.marking import Grading
from luthier.models.chat import Wording, load_wording
from luthier.models.spans import entities_in, entity_of
from luthier.objectives import objective
from luthier.prepare.candidate import candidate
from luthier.prepare.clean.repair import repair
from luthier.prepare.clean.rules import NOT_LEARNT
from luthier.prepare.convert import NO_GOLD, Common, convert
from luthier.prepare.label.known import ONLY_ROW
from luthier.prepare.leaks import check_leaks
from luthier.prepare.prepared import Prepared
from luthier.prepare.reading import TOO_LONG, Frame, OverLength
from luthier.prepare.split.groups import find_groups, tied_questions
from luthier.prepare.word import Readings, word
from luthier.prepare.wording.tags import OVERLAP, UNALIGNED
from luthier.records import (
    Chat,
    Entity,
    Example,
    Extraction,
    Graded,
    Item,
    Label,
    Message,
    Pair,
    Preference,
    Tags,
    Text,
    Worded,
    nobody_listens,
)

Preparing = Callable[..., Prepared]
KINDS = {
    "prefer": "prefer",
    "rate": "prefer",
    "reward": "reward",
    "reinforce": "reinforce",
    "tag": "tag",
    "extract": "extract",
    "embed": "embed",
    "fill": "fill",
    "several": "classify",
    "two": "classify",
}


@pytest.fixture
def wording(tiny_tokenizer_folder: Path) -> Wording:
    return load_wording(tiny_tokenizer_folder)


def read(*examples: Example, wording: Wording, limit: int = 200, policy: OverLength | None = "drop") -> Readings:
    candidates = [candidate(example) for example in examples]
    frame = Frame(None, None, limit, policy)
    groups = {one.id: "g" for one in candidates}
    return word(candidates, group_of=groups, wording=wording, frame=frame, listener=nobody_listens)


def served(name: str, example: Example, wording: Wording) -> list[tuple[int, ...]]:
    """The ids that a server makes of what is asked and told."""
    match example:
        case Preference():
            return [wording.chat_ids((*example.prompt, *turns)).ids for turns in (example.chosen, example.rejected)]
        case Graded():
            return [wording.chat_ids((*example.prompt, Message("assistant", example.golds[0]))).ids]
        case Tags() | Text():
            return [wording.text_ids(example.text)]
        case Extraction():
            return [wording.pair_ids(example.question, example.context).ids]
        case Pair():
            return [wording.text_ids(text) for text in (example.query, example.positive, *example.negatives)]
        case Label():
            second = example.second
            return [wording.pair_ids(example.text, second).ids if second else wording.text_ids(example.text)]
        case _:
            return [wording.chat_ids((*example.prompt, *example.answer)).ids]


def check_row(name: str, row: Worded, example: Example, labels: list[str], wording: Wording) -> None:
    """The contract of a worded row."""
    learnt = sum(row.trained)
    match name:
        case "prefer" | "reward":
            said = [
                wording.decode([i for i, t in zip(row.ids[a:b], row.trained[a:b], strict=True) if t])
                for a, b in pairwise((0, *row.ends))
            ]
            assert said == [example.chosen[0].content, example.rejected[0].content]
            assert (row.labels, row.score, row.ends[-1]) == ((), None, len(row.ids))
        case "rate":
            assert (row.labels, row.ends, row.score) == ((), (), float(example.good))
            assert learnt == len(example.answer[0].content) + 1
        case "reinforce":
            assert (row.labels, row.ends, row.score) == ((), (), None)
            assert learnt == len(example.golds[0]) + 1
            grading = Grading.of(row.grading)
            assert grading.golds == example.golds
            assert [one.grader for one in grading.graders] == (["contains"] if example.graders else [])
        case "tag":
            words = wording.word_ids(example.text).words
            assert learnt == len(row.labels) == len(words)
            assert entities_in([labels[place] for place in row.labels], words) == example.entities
            assert (row.ends, row.score) == ((), None)
        case "extract":
            found = wording.pair_ids(example.question, example.context)
            assert row.ends == found.ends
            assert row.labels == ((0, 0) if not example.answers else found.tokens_of(*example.answers[0]))
            assert (learnt, row.score) == (0, None)
        case "embed":
            assert (learnt, row.labels, row.score, len(row.ends)) == (0, (), None, 3)
        case "fill":
            assert (learnt, row.labels, row.ends, row.score) == (len(row.ids), (), (), None)
        case "several":
            assert [labels[place] for place in row.labels] == sorted(example.labels)
            assert (learnt, row.ends, row.score) == (0, (), 1.0)
        case "two":
            assert [labels[place] for place in row.labels] == [example.label]
            assert (learnt, row.ends[-1], row.score) == (0, len(row.ids), None)


def check_item(name: str, item: Item, example: Example) -> None:
    """What the exam shows and accepts."""
    asked = tuple(turn.content for turn in item.messages)
    match name:
        case "prefer" | "reward":
            assert item.messages == example.prompt
            assert item.golds == (example.chosen[0].content, example.rejected[0].content)
        case "rate":
            text = example.answer[0].content
            assert item.golds == ((text, "") if example.good else ("", text))
        case "reinforce":
            assert (item.messages, item.golds) == (example.prompt, example.golds)
        case "tag":
            assert asked == (example.text,)
            assert tuple(map(entity_of, item.golds)) == example.entities
        case "extract":
            assert asked == (example.question, example.context)
            assert item.golds == (tuple(example.context[a:b] for a, b in example.answers) or ("",))
        case "embed":
            assert (asked, item.golds) == ((example.query,), (example.positive,))
        case "fill":
            assert (asked, item.golds) == ((), (example.text,))
        case "several" | "two":
            assert (asked, item.golds) == ((example.text, *filter(None, [example.second])), example.labels)


@pytest.mark.parametrize("name", KINDS)
def test_rows_and_items_keep_the_contract(preparing: Preparing, wording: Wording, name: str) -> None:
    examples = {one.origin.at: one for one in rows_for(name)}
    prepared = preparing(list(examples.values()), objective_name=KINDS[name])
    check_leaks(prepared.dataset, prepared.exam)
    facts, counts = prepared.dataset.manifest.facts, prepared.dataset.manifest.counts
    rows = [row for part in ("train", "validation") for row in read_worded(prepared.dataset.file(f"{part}.parquet"))]
    items = read_items(prepared.exam.file("items.parquet"))
    assert len(rows) >= 50
    assert len(items) >= 20
    assert counts["examples"] == len(examples)
    assert counts["examples"] == len(rows) + len(items) + counts["merged"] + sum(counts["dropped"].values())
    assert not {row.group for row in rows} & {item.document for item in items}
    for row in rows:
        assert row.ids == tuple(token for ids in served(name, examples[row.at], wording) for token in ids)
        check_row(name, row, examples[row.at], facts["labels"], wording)
    for item in items:
        check_item(name, item, examples[item.at])
    assert facts["several_labels"] == (name == "several")


TEXTS = st.sampled_from([f"{word} {number}" for word in WORDS[:4] for number in range(3)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=12))
def test_what_shares_a_text_shares_a_group(found: list[tuple[str, str]]) -> None:
    rows = [
        candidate(Pair(query, positive, (), None, origin("p.jsonl", line, code=f"C{line}")))
        for line, (query, positive) in enumerate(found)
    ]
    for groups in (
        {member: group.name for group in find_groups(rows, group_by="code").groups for member in group.members},
        tied_questions(rows),
    ):
        for one in rows:
            for other in rows:
                same = {one.example.query, one.example.positive} & {other.example.query, other.example.positive}
                assert not same or groups[one.id] == groups[other.id]


def test_one_prompt_or_context_stands_on_one_side(preparing: Preparing) -> None:
    rows = [
        dataclasses.replace(preference(number // 2, origin("p.jsonl", number, code=f"P{number:03}")))
        for number in range(120)
    ]
    rows = [
        dataclasses.replace(one, rejected=(Message("assistant", f"Worse, {place}."),)) for place, one in enumerate(rows)
    ]
    prepared = preparing(rows, objective_name="prefer")
    group_of: dict[str, set[str]] = {}
    for line in read_table(prepared.dataset.file("splits.parquet")):
        prompt = rows[line["line"]].prompt[0].content
        group_of.setdefault(prompt, set()).add(line["part"])
    assert all(len(parts) == 1 for parts in group_of.values())
    assert prepared.dataset.manifest.counts["conflicts"] == 0


def test_answers_preferred_both_ways_are_in_conflict_and_other_answers_are_not(preparing: Preparing) -> None:
    rows = rows_for("prefer")
    turned = [
        dataclasses.replace(
            one, chosen=one.rejected, rejected=one.chosen, origin=dataclasses.replace(one.origin, at=f"x:{n}")
        )
        for n, one in enumerate(rows[:4])
    ]
    assert preparing([*rows, *turned], objective_name="prefer").dataset.manifest.counts["conflicts"] == 8


def test_compared_and_rated_answers_do_not_mix(preparing: Preparing) -> None:
    with pytest.raises(UserError, match=r"pairs of answers \(first at rows\.jsonl:\d+\) and \d+ rated answers"):
        preparing([*rows_for("prefer"), *rows_for("rate", 20)], objective_name="prefer")
    counts = preparing([*rows_for("reward"), *rows_for("rate", 20)], objective_name="reward", run="r").dataset.manifest
    assert counts.counts["dropped"]["an answer judged good or bad, which objective 'prefer' would learn from"] == 60


LONG = " ".join(sentence(number) for number in range(30))


def test_long_texts_with_entities_are_cut_at_white_space_that_parts_none(wording: Wording) -> None:
    found = [
        Entity(at, at + len("number 3 from"), "X") for at in range(len(LONG)) if LONG.startswith("number 3 from", at)
    ]
    start = LONG.index("Oslo")
    row = Tags(LONG, (*found, Entity(start, start + len("Oslo replaced a"), "Y")), origin("t.jsonl", 4))
    windows = read(row, wording=wording, policy=None).kept
    assert len(windows) > 5
    assert len({one.row.id for one in windows}) == len(windows)
    assert all(len(one.row.ids) <= 200 and not one.shortened for one in windows)
    assert " ".join(one.texts[0] for one in windows) == LONG
    told = [one.texts[0][e.start : e.end] for one in windows for e in map(entity_of, one.golds)]
    assert sorted(told) == ["Oslo replaced a", "number 3 from"]
    assert read(row, wording=wording, policy="drop").left == {TOO_LONG: [candidate(row)]}
    whole = dataclasses.replace(row, entities=(Entity(0, len(LONG), "Z"),))
    with pytest.raises(UserError, match=r"receipt R6 .*\nt\.jsonl:4"):
        read(whole, wording=wording, policy=None)


def test_a_long_context_is_learnt_in_windows_and_asked_about_once(wording: Wording) -> None:
    start = LONG.index("Oslo")
    row = Extraction("Who?", LONG, ((start, start + 4),), origin("x.jsonl", 4))
    windows = read(row, wording=wording, policy=None).kept
    assert all(len(one.row.ids) <= 200 and not one.shortened for one in windows)
    assert all(one.row.ids == wording.pair_ids(*one.texts).ids for one in windows)
    answered = [one for one in windows if one.row.labels != (0, 0)]
    assert 0 < len(answered) < len(windows)
    for one in answered:
        pair = wording.pair_ids(*one.texts)
        place = pair.characters_of(*one.row.labels)
        assert place is not None
        assert one.texts[1][slice(*place)] == "Oslo"
    assert [turn.content for turn in windows[0].asked] == ["Who?", LONG]
    assert [bool(one.ungradable) for one in windows] == [False] + [True] * (len(windows) - 1)
    assert len({one.row.id for one in windows}) == len(windows)
    whole = dataclasses.replace(row, answers=((0, len(LONG)),))
    for gone, policy in ((row, "drop"), (whole, "shorten")):
        assert read(gone, wording=wording, policy=policy).left == {TOO_LONG: [candidate(gone)]}


def test_questions_with_answers_and_labelled_texts_can_be_graded() -> None:
    """The answer is the gold; an empty one, or one that is only context, is none."""
    ask, at = Message("user", "Which part?"), origin("q.jsonl", 1)
    found = {
        "chat": Chat((ask, Message("assistant", "A pump")), at),
        "label": Label("It leaks", "PART", at, others=("LEAK",)),
        "empty": Label("It leaks", "", at),
        "context": Chat((ask, Message("assistant", "A pump", weight=0)), at),
    }
    made = {name: convert(one, objective("reinforce"), common=Common()) for name, one in found.items()}
    assert made["chat"] == Graded((ask,), ("A pump",), "", at)
    assert made["label"] == Graded((Message("user", "It leaks"),), ("PART; LEAK",), "", at)
    assert (made["empty"], made["context"]) == (NO_GOLD, NOT_LEARNT)


@pytest.mark.parametrize(
    "row",
    [
        Pair("a", LONG, (), None, origin("a.jsonl", 7)),
        Pair("a", "b", (LONG,), None, origin("a.jsonl", 7)),
        Extraction(LONG, "Oslo", ((0, 4),), origin("a.jsonl", 7)),
        preference(1, origin("a.jsonl", 7)).__class__(
            (Message("user", "?"),), (Message("assistant", LONG),), (Message("assistant", "b"),), origin("a.jsonl", 7)
        ),
    ],
    ids=["positive", "negative", "question", "answer"],
)
def test_what_may_not_be_cut_leaves_with_a_count_or_stops(row: Example, wording: Wording) -> None:
    for policy in ("drop", "shorten"):
        assert read(row, wording=wording, policy=policy).left == {TOO_LONG: [candidate(row)]}
    for policy in ("stop", None):
        with pytest.raises(UserError, match=r"receipt R6 .*\na\.jsonl:7"):
            read(row, wording=wording, policy=policy)


def test_of_two_texts_the_longer_keeps_head_and_tail(wording: Wording) -> None:
    row = Label("Short", "yes", origin("l.jsonl", 1), second=LONG)
    (one,) = read(row, wording=wording, policy="shorten").kept
    assert one.shortened
    assert one.texts[0] == "Short"
    assert one.texts[1].startswith(LONG[:40])
    assert one.row.ids == wording.pair_ids(*one.texts).ids


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Tags("A pump", (Entity(0, 4, "X"),), origin("b.jsonl", 3)), UNALIGNED),
        (Tags("A pump here", (Entity(0, 6, "X"), Entity(2, 11, "Y")), origin("b.jsonl", 3)), OVERLAP),
        (Extraction("Who?", "Ärger", ((0, 3),), origin("b.jsonl", 3)), None),
    ],
    ids=["inside a word", "overlap", "aligned"],
)
def test_a_span_that_no_word_or_token_can_tell_leaves(row: Example, reason: str | None, wording: Wording) -> None:
    found = read(row, wording=wording)
    assert found.left == ({reason: [candidate(row)]} if reason else {})


PART = st.sampled_from(["pump ", "Ã© ", "\u00ad", "naïve ", "“x” ", "\x07", "&amp; ", "a@b.example ", "\n", "12 "])


@settings(max_examples=150, deadline=None)
@given(st.lists(PART, min_size=1, max_size=8), st.data())
def test_marked_stretches_follow_the_mending(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    mended, _, _ = repair(Tags(text, (Entity(start, end, "X"),), origin("m.jsonl", 1)))
    assert isinstance(mended, Tags)
    (entity,) = mended.entities
    told = mended.text[entity.start : entity.end]
    letters = [letter for letter in text[start:end] if letter.isascii() and letter.isalnum()]
    if mended.text != text and "&" not in text:
        assert [letter for letter in told if letter.isascii() and letter.isalnum()] == letters
        assert told == told.strip()


def test_private_data_in_an_entity_is_masked_and_the_entity_stays(preparing: Preparing) -> None:
    rows = []
    for number, one in enumerate(rows_for("tag")):
        address = f"clerk{number}@firm.example"
        told = f"{address} says: {one.text}"
        moved = [
            dataclasses.replace(e, start=e.start + len(told) - len(one.text), end=e.end + len(told) - len(one.text))
            for e in one.entities
        ]
        rows.append(dataclasses.replace(one, text=told, entities=(Entity(0, len(address), "MAIL"), *moved)))
    prepared = preparing(rows, objective_name="tag")
    items = read_items(prepared.exam.file("items.parquet"))
    for item in items:
        told = [item.messages[0].content[e.start : e.end] for e in map(entity_of, item.golds)]
        assert told[0].startswith("[EMAIL_")
        assert len(told) == 3
    assert prepared.dataset.manifest.counts["dropped"] == {}


def test_the_only_row_of_a_type_leaves_with_its_place(preparing: Preparing) -> None:
    alone = tags(500, origin("odd.jsonl", 9, code="K001.9"))
    alone = dataclasses.replace(alone, entities=(dataclasses.replace(alone.entities[0], label="ODD"),))
    prepared = preparing([*rows_for("tag"), alone], objective_name="tag")
    gone = [row["at"] for row in read_table(prepared.dataset.file("dropped.parquet")) if row["rule"] == ONLY_ROW]
    assert gone == ["odd.jsonl:9"]
    assert prepared.dataset.manifest.facts["labels"] == ["O", "B-PART", "I-PART", "B-PLACE", "I-PLACE"]
