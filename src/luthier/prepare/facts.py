"""The fact ledger: facts the exam asks about, and training rows that would teach them.

It is for the claim KNOWLEDGE, whose documents are trained on: a question is held out and not its document. Raw text
stays in training. Whoever makes training rows from documents asks `barred_by` before a row is worded; the ledger of an
exam lies beside its items.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from luthier.artifacts.tables import read_table, write_table
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Item, Span

FACTS = "facts.parquet"
FACT_SCHEMA = pa.schema(
    [("document", pa.string()), ("start", pa.int64()), ("end", pa.int64()), ("answer", pa.string())]
)
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


def facts_of(items: Iterable[Item]) -> list[Fact]:
    """What the items ask about documents that are trained on."""
    return [
        fact(item.span, gold)
        for item in items
        if item.claim == "KNOWLEDGE" and item.span is not None
        for gold in item.golds
    ]


def write_facts(path: Path, items: Iterable[Item]) -> None:
    """Write the ledger of an exam; no file if it asks about no trained document."""
    facts = facts_of(items)
    rows = ({**asdict(one.span), "answer": one.answer} for one in facts)
    if facts:
        write_table(path, rows, schema=FACT_SCHEMA)


def read_ledger(path: Path) -> "FactLedger":
    """The ledger that `write_facts` wrote."""
    return FactLedger(Fact(Span(row["document"], row["start"], row["end"]), row["answer"]) for row in read_table(path))


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
