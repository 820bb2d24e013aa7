"""The fact ledger: facts the exam asks about, and training rows that would teach them.

It is for exams on documents that are trained, where a question is held out and not its document. Today's exams hold
whole documents out, so no stage asks it yet: it is the hook for whoever makes training rows and exam items from
documents, who ask `barred_by` before a row is worded.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Span

TELLING = 6
"""Letters from which one word alone tells a fact: `yes` and `12` answer many questions of a document."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a document states: where it stands, and the answer it gives as a matching copy."""

    span: Span
    answer: str


@dataclass(frozen=True, slots=True)
class Taught:
    """What a training question, cloze or table row is about, before it is written."""

    spans: tuple[Span, ...]
    """The bytes that hold its answer."""
    question: str
    answer: str


def fact(span: Span, answer: str) -> Fact:
    """A fact as the ledger keeps it."""
    return Fact(span=span, answer=matching_copy(answer))


class FactLedger:
    """The exam's facts by document."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        for one in facts:
            self._facts[one.span.document].append(one)

    def barred_by(self, taught: Taught) -> Fact | None:
        """The first exam fact that this row would teach, or None.

        A row teaches a fact if it is cut from overlapping bytes and holds the fact's answer in its question or answer
        (a cloze asked the other way round), or if it gives the same telling answer from the same document.
        """
        answer = matching_copy(taught.answer)
        said = f" {matching_copy(taught.question)} {answer} "
        for span in taught.spans:
            for one in self._facts.get(span.document, ()):
                same = one.answer == answer and (" " in answer or len(answer) >= TELLING)
                if same or (overlap(one.span, span) and f" {one.answer} " in said):
                    return one
        return None


def overlap(left: Span, right: Span) -> bool:
    """True if two spans share a byte."""
    return left.document == right.document and left.start < right.end and right.start < left.end
