"""Near-duplicate examples, and texts alike in meaning."""

import pytest
from prepare_corpora import chat

from luthier.prepare.candidate import Candidate, candidate
from luthier.prepare.dedup.examples import merge_near
from luthier.prepare.dedup.meaning import alike_in_meaning
from luthier.prepare.dedup.signature import are_near

LONG = " ".join(f"word{number}" for number in range(40))


def examples(*rows: tuple[str, str]) -> list[Candidate]:
    return [candidate(chat(question, answer, line=line)) for line, (question, answer) in enumerate(rows, start=1)]


def lines(candidates: list[Candidate]) -> list[str]:
    return [one.at for one in candidates]


def test_the_longest_of_near_examples_stays() -> None:
    rows = examples((LONG, "yes"), (f"{LONG} indeed", "yes"), ("something else entirely and quite different", "yes"))
    merged = merge_near(rows)
    assert (lines(merged.kept), lines(merged.leaving)) == (["a.csv:2", "a.csv:3"], ["a.csv:1"])
    assert [(one.id, one.representative) for one in merged.removed] == [(rows[0].id, rows[1].id)]
    assert merged.removed[0].jaccard == pytest.approx(merged.links[0].jaccard) == pytest.approx(36 / 39)


def test_a_score_decides_before_the_length() -> None:
    assert lines(merge_near(examples((LONG, "yes"), (f"{LONG} indeed", "yes")), scores=[2, 1]).kept) == ["a.csv:1"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((LONG, "yes"), (LONG, "no")),
        ((LONG, "yes"), (f"{LONG} indeed", "no")),
        ((LONG, f"{LONG} at 16 bar"), (LONG, f"{LONG} at 18 bar")),
    ],
)
def test_another_answer_stays_and_is_linked(first: tuple[str, str], second: tuple[str, str]) -> None:
    rows = examples(first, second)
    merged = merge_near(rows)
    assert merged.kept == rows
    assert [(one.first, one.second) for one in merged.links] == [(rows[0].id, rows[1].id)]


def test_a_near_answer_to_a_near_prompt_says_the_same() -> None:
    answer = " ".join(f"step{number}" for number in range(30))
    merged = merge_near(examples((LONG, answer), (f"{LONG} please", f"{answer} done")))
    assert lines(merged.kept) == ["a.csv:2"]


def test_two_texts_are_near() -> None:
    assert are_near(LONG, f"{LONG} more", threshold=0.8)
    assert not are_near("pump 3", "pump 4", threshold=0.1)


def test_alike_in_meaning() -> None:
    copies = [f"machine{number} needs oil{number} and filter{number}" for number in range(30)]
    copies += ["the pump is leaking at the seal", "at the seal the pump is leaking"]
    found = alike_in_meaning(copies)
    assert (found[0].a, found[0].b, found[0].jaccard) == (30, 31, 1.0)
    assert alike_in_meaning(copies, least=0.999) == [found[0]]
    assert alike_in_meaning(copies[:1]) == alike_in_meaning([]) == []
