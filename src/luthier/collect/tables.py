"""One file's rows, cut into tables (a file, or a sheet of a workbook)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from luthier.collect.reading import Source
from luthier.collect.registry import row_reader
from luthier.records import Reject, Row


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under one header."""

    name: str
    """As in `Row.at` before the colon: `faq.csv`, or `book.xlsx!Sheet`."""
    rows: tuple[Row, ...]
    rejects: tuple[Reject, ...]


def read_tables(source: Source, kind: str) -> Iterator[Table]:
    """All tables of a row file, in order. Raises UnreadableError."""
    for name, group in groupby(row_reader(kind)(source), key=table_of):
        items = list(group)
        rows = tuple(item for item in items if isinstance(item, Row))
        yield Table(name, rows, tuple(item for item in items if isinstance(item, Reject)))


def table_of(item: Row | Reject) -> str:
    """Name of the table that a row stands in."""
    return item.file if isinstance(item, Reject) else item.at.rpartition(":")[0]
