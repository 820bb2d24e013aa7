"""A first look at a folder: what collecting it would meet, from the head of each table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

from luthier.collect.config import hash_files
from luthier.collect.formats.check import BadRowError
from luthier.collect.formats.detect import Fit, Names, columns_of, detect, make_example, sample_rows
from luthier.collect.identify import identify
from luthier.collect.reading import Source, UnreadableError
from luthier.collect.registry import READERS, ROW_READERS, row_formats, row_reader
from luthier.collect.tables import table_of
from luthier.collect.walk import Found, find_files
from luthier.errors import UserError
from luthier.records import Example, Reject, Row

MOST_ROWS = 20_000
"""Rows of one file that are looked at."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows of one table."""

    name: str
    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def fit(self, names: Names) -> Fit | None:
        """How collect would understand the table, None if it would not."""
        try:
            return detect(self.name, sample_rows(self.rows), formats=row_formats(), names=names, wanted="auto")
        except UserError:
            return None

    def examples(self, names: Names) -> Iterator[Example]:
        """The examples that the rows make; bad rows are left to collect."""
        fit = self.fit(names)
        if fit is None:
            return
        for row in self.rows:
            try:
                yield make_example(row, fit, file=self.file)
            except BadRowError:
                continue


@dataclass(slots=True)
class Peek:
    """What lies in the sources."""

    heads: list[Head] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    """Names of text, Markdown and HTML files."""
    others: dict[str, str] = field(default_factory=dict)
    """Name of every file that would not be read -> why."""


def peek(sources: Sequence[Path]) -> Peek:
    """Look at every file of the sources without reading more than 20,000 rows of any."""
    seen = Peek()
    everything = find_files(sources)
    first: dict[str, str] = {}
    for found, digest in zip(everything, hash_files(everything).values(), strict=True):
        if found.skipped is not None or digest in first:
            seen.others[found.name] = found.skipped or f"same bytes as {first[digest]}"
            continue
        first[digest] = found.name
        try:
            _peek_file(found, seen)
        except UnreadableError as error:
            seen.others[found.name] = str(error)
        except OSError as error:
            seen.others[found.name] = f"cannot be opened ({error.strerror})"
    return seen


def _peek_file(found: Found, seen: Peek) -> None:
    identity = identify(found.path)
    if found.path.stat().st_size == 0:
        seen.others[found.name] = "empty"
    elif identity.problem or identity.type not in READERS:
        seen.others[found.name] = identity.problem or f"no reader for {identity.type}"
    elif identity.type in ROW_READERS:
        source = Source(path=found.path, name=found.name, encoding=identity.encoding)
        heads = list(_heads(found.name, islice(row_reader(identity.type)(source), MOST_ROWS)))
        seen.heads += heads
        if not heads:
            seen.others[found.name] = "no rows"
    else:
        seen.prose.append(found.name)


def _heads(file: str, items: Iterator[Row | Reject]) -> Iterator[Head]:
    for name, group in groupby(items, key=table_of):
        rows = tuple(item for item in group if isinstance(item, Row))
        if rows:
            yield Head(name=name, file=file, columns=tuple(columns_of(rows)), rows=rows)
