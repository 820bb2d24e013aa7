"""Matching copies, repair, rules and exact duplicates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepare_corpora import chat, label

from luthier.objectives import objective
from luthier.prepare.candidate import candidate
from luthier.prepare.clean.repair import repair, repair_text
from luthier.prepare.clean.rules import reason_to_drop
from luthier.prepare.convert import SEVERAL_SYSTEMS, SEVERAL_TURNS, Common, common_of, convert, framed
from luthier.prepare.dedup.exact import merge_exact
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Chat, Label, Message


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Acute  Gastritis.", "acute gastritis"),
        ("left-hip fracture,\nclosed", "Left hip fracture closed"),
        ("ﬁbrosis", "fibrosis"),
        ("Straße", "STRASSE"),
        ("COVID-19 (acute)", "covid-19 acute"),
        ("“quoted”", '"quoted"'),
    ],
)
def test_spelling_does_not_part_equal_texts(left: str, right: str) -> None:
    assert matching_copy(left) == matching_copy(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("3 + 4", "3 4"),
        ("3-4", "3 4"),
        ("1.5 mg", "15 mg"),
        ("1.5 mg", "1 5 mg"),
        ("-5 degrees", "5 degrees"),
        ("C#", "C"),
        ("C++", "C"),
        ("5 %", "5"),
        ("A00.0", "A00.1"),
        ("?", "!"),
    ],
)
def test_what_changes_the_meaning_parts_them(left: str, right: str) -> None:
    assert matching_copy(left) != matching_copy(right)


@given(st.text(max_size=60))
def test_matching_ignores_outer_space_and_case_of_ascii(text: str) -> None:
    assert matching_copy(f"  {text}\n") == matching_copy(text)
    assert "  " not in matching_copy(text)


def test_repair_mends_damage_and_leaves_the_authors_marks() -> None:
    assert repair_text("CharcÃ´t's joint ") == "Charcôt's joint"
    assert repair_text("R&amp;D") == "R&D"
    assert repair_text("co\u00adoperate\u0007") == "cooperate"
    assert repair_text("e\u0301") == "é"
    assert repair_text("“quoted” – ｗｉｄｅ") == "“quoted” – ｗｉｄｅ"


def test_repair_tells_questions_from_answers() -> None:
    mended, question, answer = repair(label("a ", "b"))
    assert (mended.text, question, answer) == ("a", True, False)
    mended, question, answer = repair(chat("a", " b"))
    assert (mended.messages[1].content, question, answer) == ("b", False, True)


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (chat("", "b"), "empty question"),
        (chat("a", ""), "empty answer"),
        (chat("Same thing!", "same thing"), None),
        (Chat(messages=(Message("user", "a"),), origin=chat("a", "b").origin), "no answer at the end"),
        (chat("a", "b"), None),
    ],
)
def test_rules_name_their_reason(example: Chat, reason: str | None) -> None:
    assert reason_to_drop(example) == reason


def test_equal_examples_merge_into_the_first_and_other_answers_conflict() -> None:
    examples = [
        chat("A cold.", "X", line=1),
        chat("a cold", "x", line=2),
        chat("a cold", "Y", line=3),
        chat("b", "X", line=4),
    ]
    merged = merge_exact([candidate(one) for one in examples])
    assert [one.at for one in merged.kept] == ["a.csv:1", "a.csv:3", "a.csv:4"]
    assert [one.at for one in merged.copies] == ["a.csv:2"]
    assert merged.conflicts == {merged.kept[0].id, merged.kept[1].id}


def test_another_system_text_is_another_prompt_but_the_same_question() -> None:
    plain = candidate(chat("a", "X"))
    turns = (Message("system", "Translate."), *chat("a", "Y").messages[:2])
    told = candidate(Chat(messages=turns, origin=plain.example.origin))
    assert told.question == plain.question
    assert not merge_exact([plain, told]).conflicts


def test_conversations_that_do_not_fit_a_classifier_are_counted() -> None:
    single = chat("a", "X")
    longer = Chat(messages=single.messages * 2, origin=single.origin)
    one, two = (
        Chat(messages=(Message("system", text), *single.messages), origin=single.origin)
        for text in ("Be brief.", "Be long.")
    )
    rows = [single, longer, one, two]
    kept = [convert(row, objective("classify"), common=common_of(rows)) for row in rows]
    assert kept == [Label("a", "X", single.origin), SEVERAL_TURNS, SEVERAL_SYSTEMS, SEVERAL_SYSTEMS]


def test_one_system_text_for_all_tells_a_classifier_nothing() -> None:
    single = chat("a", "X")
    told = Chat(messages=(Message("system", "Be brief."), *single.messages), origin=single.origin)
    assert common_of([told, single, told]).one_system
    assert convert(told, objective("classify"), common=Common()) == Label("a", "X", single.origin)


def test_the_frame_keeps_a_conversations_own_system_text() -> None:
    told = framed(chat("a", "X").messages, system="Be brief.", instruction="Which?")
    assert [turn.content for turn in told] == ["Be brief.", "Which?\n\na", "X"]
    own = (Message("system", "Mine."), *chat("a", "X").messages)
    assert [turn.content for turn in framed(own, system="Be brief.", instruction=None)] == ["Mine.", "a", "X"]
