"""Rules of cleaning: what each one takes, what it leaves, and what holds it back."""

import random
from collections.abc import Sequence
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import UserError
from luthier.prepare.clean.answers import Endings, echoes
from luthier.prepare.clean.cleaning import clean_texts
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.clean.rules import repeated_share, says_the_same, unreadable_share
from luthier.prepare.clean.texts import Cleaned, CleanInput
from luthier.prepare.clean.thresholds import Thresholds
from luthier.prepare.dedup.matching import matching_copy

PARTS = ["pump", "valve", "filter", "motor", "sensor", "shaft", "bearing", "gasket", "controller", "housing"]
VERBS = ["Check", "Replace", "Clean", "Remove", "Open", "Inspect", "Tighten", "Measure", "Label", "Store"]
GERMAN = (
    "Prüfen Sie die Pumpe, bevor Sie das Ventil öffnen. Der Druck darf dabei nicht unter den Wert fallen, der auf dem "
    "Schild steht. Warten Sie danach zwei Minuten und schließen Sie das Ventil wieder langsam, ohne es zu verkanten."
)


def prose(seed: int, sentences: int = 12) -> str:
    made = random.Random(seed)
    return " ".join(
        f"{made.choice(VERBS)} the {made.choice(PARTS)} near the {made.choice(PARTS)} after {made.randint(2, 900)} "
        f"hours, then look for the {made.choice(PARTS)}."
        for _ in range(sentences)
    )


def document(number: int, text: str | None = None, **more: object) -> CleanInput:
    return CleanInput(f"d{number}", "manuals", f"manuals/{number}.txt", prose(number) if text is None else text, **more)


def question(number: int, text: str | None = None, answer: str | None = None) -> CleanInput:
    asked = f"What should I do with the {PARTS[number % 10]} after {number} hours?" if text is None else text
    return CleanInput(f"q{number}", "faq.csv", "faq.csv", asked, prose(number, 2) if answer is None else answer)


def clean(texts: Sequence[CleanInput], **changed: object) -> Cleaned:
    return clean_texts(texts, thresholds=CleanConfig.model_validate(changed).thresholds())


def rules(cleaned: Cleaned) -> dict[str, str]:
    return {one.id: one.rule for one in cleaned.dropped}


def test_every_threshold_is_a_setting() -> None:
    assert {field.name for field in fields(Thresholds)} <= set(CleanConfig.model_fields)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("12 34 -- 56", "empty"),
        ("The pump \ufffd\ufffd\ufffd is clean and the valve is open to the left.", "unreadable"),
        ("Íàñîñ ñëåäóåò ïðîâåðèòü äî íà÷àëà ðàáîòû, èíà÷å äàâëåíèå óïàä¸ò", "unreadable"),
        ("I am sorry, I do not know what you mean by that. " * 8, "loops"),
        ("哈" * 200, "loops"),
        ("hahaha" * 300, "loops"),
    ],
)
def test_broken_documents_are_put_aside(text: str, rule: str) -> None:
    assert rules(clean([*map(document, range(60)), document(99, text)])) == {"d99": rule}


def test_mended_texts_stay_and_lead_back() -> None:
    given = document(1, prose(1).replace("look", "lÃ¶ok"))
    cleaned = clean([given])
    start = cleaned.kept[0].text.index("ö")
    left, right = cleaned.edits["d1"].source_span(start, start + 1)
    assert given.text[left:right] == "Ã¶"


@pytest.mark.parametrize(
    ("asked", "said", "rule"),
    [
        ("What is a shaft?", "", "empty answer"),
        ("", "A shaft is a rod.", "empty question"),
        ("What is a shaft?", "what is a SHAFT", "the answer repeats the question"),
        (
            "Explain in simple words how the motor controller is reset.",
            "Explain in simple words how the motor controller is reset. Hold the button for ten seconds.",
            "the question is inside the answer",
        ),
        ("And then?", prose(3, 2) + " Then check the hous", "the answer is cut off"),
        ("And then?", prose(3, 2) + " Then check the housing and the contro", "the answer is cut off"),
        ("What is a shaft?", prose(4, 2) + " \ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", "unreadable"),
    ],
)
def test_broken_examples_are_put_aside(asked: str, said: str, rule: str) -> None:
    assert rules(clean([*map(question, range(60)), question(99, asked, said)])) == {"q99": rule}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Paris?", "Paris is the capital."),
        ("Which code is it?", "J45.9"),
        ("Which part is it?", "housi"),
        ("And then?", prose(5, 2) + " Then check the housing"),
        ("And then?", prose(5, 2) + "\nreturn 12"),
        ("C", "C#"),
    ],
)
def test_odd_but_sound_examples_stay(asked: str, said: str) -> None:
    assert rules(clean([*map(question, range(60)), question(99, asked, said)])) == {}


def test_answers_that_never_end_a_sentence_are_not_judged_by_their_ends() -> None:
    rows = [question(number, answer=prose(number, 1)[:-1]) for number in range(60)]
    endings = Endings([*rows, question(99, answer=prose(9, 1) + " Then check the hous")])
    assert endings.cut_off(question(99, answer=prose(9, 1) + " Then check the hous")) == 0


def test_short_questions_may_be_restated() -> None:
    assert echoes("What is a shaft?", "What is a shaft? A rod that turns.", characters=40) == 0
    assert echoes("a b " * 20, "x " * 100 + "a b " * 20, characters=40) == 0


def test_another_language_goes_only_where_it_was_asked_for_and_can_be_spared() -> None:
    rows = [*map(document, range(60)), document(99, GERMAN), document(98, GERMAN[:100])]
    assert rules(clean(rows)) == {}
    assert clean(rows).languages == {"en": 60, "de": 1, "unknown": 1}
    few = clean(rows, languages=["en"])
    assert rules(few) == {}
    assert few.capped[0].setting == "prepare.clean.accept: [language]"
    assert "62 rows are too few" in str(few.capped[0].held)
    assert rules(clean(rows, languages=["en"], accept=["language"])) == {"d99": "language"}
    assert rules(clean(rows, languages=["en"], select_from=62)) == {"d99": "language"}
    assert clean(rows, languages=["en"], select_from=0).dropped[0].note == "de"


def test_code_is_not_read_as_prose() -> None:
    one = document(99, GERMAN, fixed=((0, len(GERMAN)),))
    assert rules(clean([*map(document, range(60)), one], languages=["en"], select_from=0)) == {}


def test_a_language_that_cannot_be_told_is_named() -> None:
    with pytest.raises(UserError, match="cannot tell klingon"):
        clean([document(1)], languages=["klingon"])


def loop(number: int) -> str:
    return f"again and again the same old word {number} comes round, my friend. " * 12


def test_a_greedy_rule_removes_nothing_and_says_how_to_consent() -> None:
    rows = [*map(document, range(60)), *(document(number, loop(number) + "x" * number) for number in range(100, 130))]
    held = clean(rows)
    assert rules(held) == {}
    capped = held.capped[-1]
    assert (capped.rule, capped.source, capped.wanted, capped.taken) == ("loops", "manuals", 30, 0)
    assert capped.setting == "prepare.clean.accept: [loops]"
    assert len(capped.samples) == 20
    assert len(clean(rows, accept=["loops"]).dropped) == 30
    assert clean(rows, accept=["loops"], keep=["loops"]).dropped == []


@pytest.mark.parametrize(("broken", "sound", "taken"), [(1, 3, 1), (3, 12, 3), (1, 0, 0), (2, 1, 0), (4, 12, 0)])
def test_a_small_source_loses_its_few_broken_rows(broken: int, sound: int, taken: int) -> None:
    rows = [question(number, answer=prose(number, 6)) for number in range(sound)]
    rows += [question(100 + number, answer=loop(number)) for number in range(broken)]
    cleaned = clean(rows)
    assert cleaned.applied[0].share > 0.1
    assert list(rules(cleaned).values()) == ["loops"] * taken


def test_few_rows_that_are_most_of_a_source_stay() -> None:
    rows = [*map(question, range(20)), question(100, answer=loop(1) * 20)]
    assert rules(clean(rows)) == {}


def test_the_cap_is_counted_by_source() -> None:
    many = [CleanInput(f"a{number}", "a", "a.txt", loop(number)) for number in range(5)]
    few = [CleanInput(f"b{number}", "b", "b.txt", prose(number)) for number in range(60)]
    cleaned = clean([*many, *few, CleanInput("b99", "b", "b.txt", loop(9))])
    assert rules(cleaned) == {"b99": "loops"}
    assert [(each.source, each.held is None) for each in cleaned.applied] == [("a", False), ("b", True)]


def test_boilerplate_is_cut_and_leads_back() -> None:
    rows = [
        document(
            number,
            f"ACME Works Manual, page {number} of 60\n{prose(number)}\n\nCall our hotline\nbefore you open the box\n",
        )
        for number in range(60)
    ]
    cleaned = clean(rows)
    assert [one.text for one in cleaned.kept] == [prose(number) for number in range(60)]
    assert {one.text for one in cleaned.boilerplate} >= {"ACME Works Manual, page 0 of 60"}
    for source, kept in zip(rows, cleaned.kept, strict=True):
        start, end = cleaned.edits[kept.id].source_span(0, len(kept.text))
        assert source.text[start:end] == prose(int(kept.id[1:]))
    assert [one.text for one in clean(rows, keep=["boilerplate"]).kept] == [one.text.strip() for one in rows]


@pytest.mark.parametrize(
    "line",
    [
        "See also\n",
        "Supply voltage in volts: {}\n",
        "| Supply | voltage in volts | {} |\n",
        "def to_text(self, value):\n",
    ],
)
def test_what_repeats_because_documents_are_alike_stays(line: str) -> None:
    rows = []
    for number in range(60):
        text = line.format(number) + prose(number)
        rows.append(document(number, text, fixed=((0, len(line)),) if line.startswith("def") else ()))
    assert [one.text for one in clean(rows).kept] == [one.text for one in rows]


def test_equal_files_are_no_boilerplate() -> None:
    rows = [document(number, prose(number % 2, 40).replace(". ", ".\n")) for number in range(20)]
    cleaned = clean(rows)
    assert [one.text for one in cleaned.kept] == [one.text for one in rows]
    assert cleaned.capped[0].rule == "boilerplate"


def test_four_files_have_no_boilerplate() -> None:
    rows = [document(number, f"All rights are reserved by ACME.\n{prose(number, 40)}") for number in range(4)]
    assert [one.text for one in clean(rows).kept] == [one.text for one in rows]


def test_spans_of_code_move_with_the_text() -> None:
    head = "ACME Works Manual for all of us\n"
    rows = [document(number, f"{head}{prose(number)}\nx = 1\n") for number in range(59)]
    text = f"{head}{prose(59)}\nx = 1\n"
    start = text.index("x = 1")
    cleaned = clean([*rows, document(59, text, fixed=((start, start + 5),))])
    last = cleaned.kept[-1]
    assert [last.text[left:right] for left, right in last.fixed] == ["x = 1"]


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_changes_nothing(order: random.Random) -> None:
    rows = [document(number, f"ACME Works Manual, page {number}\n{prose(number)}") for number in range(12)]
    rows += [
        document(20, "no no " * 50),
        document(21, "1 2 3"),
        document(22, GERMAN),
        question(23),
        question(24, "a", "A"),
    ]
    mixed = list(rows)
    order.shuffle(mixed)
    options = {"languages": ["en"], "accept": ["loops", "empty", "language", "the answer repeats the question"]}
    first, second = clean(rows, **options), clean(mixed, **options)
    assert (
        rules(first)
        == rules(second)
        == {
            "d20": "loops",
            "d21": "empty",
            "d22": "language",
            "q24": "the answer repeats the question",
        }
    )
    assert {one.id: one for one in first.kept} == {one.id: one for one in second.kept}
    assert (first.edits, first.applied, first.boilerplate, first.languages) == (
        second.edits,
        second.applied,
        second.boilerplate,
        second.languages,
    )


@given(st.lists(st.text(max_size=30), max_size=12))
def test_the_books_balance(texts: list[str]) -> None:
    rows = [
        document(number, text) if number % 2 else question(number, text, text[::-1])
        for number, text in enumerate(texts)
    ]
    cleaned = clean(rows)
    assert sorted([one.id for one in cleaned.kept] + [one.id for one in cleaned.dropped]) == sorted(
        one.id for one in rows
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_fast_way_to_compare_is_exact(left: str, right: str) -> None:
    assert says_the_same(left, right) == (matching_copy(left) == matching_copy(right))
    assert says_the_same(left, left.upper()) == (matching_copy(left) == matching_copy(left.upper()))


def test_measures() -> None:
    assert repeated_share("one two three", words=10) == 0
    assert repeated_share("a b c d " * 25, words=2) == pytest.approx(0.96)
    assert unreadable_share("\ufffdabc") == 0.25
    assert unreadable_share("Καλημέρα κόσμε, привет мир, 你好世界, xin chào thế giới") == 0
