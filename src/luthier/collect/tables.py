"""The tables of a row file: the file itself, or each sheet of a workbook."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import orjson

from luthier.collect.formats.check import plain_text
from luthier.collect.formats.detect import sample_rows
from luthier.collect.reading import reject
from luthier.collect.sampling import Sample, rank, threshold
from luthier.records import Document, Reject, Row

Content = TypeVar("Content", Row | Reject, Document)
Items = Callable[[], Iterator[Row | Reject]]
"""The rows and refused rows of a file, from the first at every call."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under one header."""

    name: str
    """As in `Row.at` before the colon: `faq.csv`, or `book.xlsx!Sheet`."""
    sample: tuple[Row, ...]
    """The rows that tell its format; empty if all are refused."""


@dataclass(slots=True)
class Drawing:
    """Which rows or documents of a file are kept; without a sample, all."""

    sample: Sample | None
    seed: int
    left_out: int = 0

    def over(self, items: Callable[[], Iterator[Content]]) -> Callable[[], Iterator[Content]]:
        """The same items without those outside of the sample, which `left_out` counts."""
        if self.sample is None:
            return items
        ranks = [self._rank(item) for item in items()]
        most = threshold(ranks, self.sample)
        self.left_out = sum(place > most for place in ranks)
        return lambda: (item for item in items() if self._rank(item) <= most)

    def _rank(self, item: Row | Reject | Document) -> int:
        match item:
            case Reject():
                content = item.row
            case Row():
                content = shown(item)
            case Document():
                content = item.text
        return rank(content.encode("utf-8"), seed=self.seed)


def find_tables(items: Items) -> list[Table]:
    """The tables in order of their first row."""
    return [
        Table(name, tuple(sample_rows(item for item in group if isinstance(item, Row))))
        for name, group in groupby(items(), key=table_of)
    ]


def table_of(item: Row | Reject) -> str:
    """Name of the table that a row stands in."""
    return item.file if isinstance(item, Reject) else item.at.rpartition(":")[0]


def refusal(row: Row, reason: str) -> Reject:
    """Why a row cannot be used, and which it is where several begin on one line."""
    table, _, place = row.at.rpartition(":")
    told = reason if place == str(row.line) else f"{reason}, in {place}"
    return reject(table, row.line, told, shown(row), offset=row.offset)


def shown(row: Row) -> str:
    """A row as text, for the account of refused rows."""
    return orjson.dumps({name: plain_text(value) for name, value in row.values.items()}).decode("utf-8")
