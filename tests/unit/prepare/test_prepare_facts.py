"""The fact ledger bars training rows that teach what the exam asks."""

import pytest

from luthier.prepare.facts import FactLedger, Taught, fact
from luthier.records import Span

KEPT = fact(Span("manual", 100, 180), "16 Bar")


@pytest.mark.parametrize(
    ("span", "question", "answer"),
    [
        (Span("manual", 170, 300), "How high is the pressure?", "16 bar."),
        (Span("manual", 100, 180), "What takes 16 bar?", "The pump"),
        (Span("manual", 900, 950), "Name the limit", "16 bar"),
    ],
)
def test_a_row_that_teaches_the_fact_is_barred(span: Span, question: str, answer: str) -> None:
    assert FactLedger([KEPT]).barred_by(Taught((Span("x", 0, 1), span), question, answer)) == KEPT


@pytest.mark.parametrize(
    ("span", "question", "answer"),
    [
        (Span("manual", 180, 300), "What takes 16 bar?", "The pump"),
        (Span("manual", 100, 180), "Which oil?", "116 bars"),
        (Span("other", 100, 180), "How high is the pressure?", "16 bar"),
    ],
)
def test_other_rows_are_not(span: Span, question: str, answer: str) -> None:
    assert FactLedger([KEPT]).barred_by(Taught((span,), question, answer)) is None


def test_a_short_answer_elsewhere_in_the_document_is_another_fact() -> None:
    ledger = FactLedger([fact(Span("manual", 0, 9), "yes")])
    assert ledger.barred_by(Taught((Span("manual", 50, 60),), "Is it red?", "Yes")) is None
    assert ledger.barred_by(Taught((Span("manual", 5, 60),), "Is it red?", "Yes")) is not None
