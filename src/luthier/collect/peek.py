"""A first look at a folder: what collecting it would meet, from the head of each table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from luthier.collect.config import hash_files
from luthier.collect.confine import Job, Reply, Workers, modules_for
from luthier.collect.formats.check import BadRowError
from luthier.collect.formats.detect import Fit, Hints, Names, columns_of, detect, make_example, sample_rows
from luthier.collect.intake import Intake, Item, items_of
from luthier.collect.kinds import CONTAINERS
from luthier.collect.registry import READERS, ROW_READERS, row_formats
from luthier.collect.tables import table_of
from luthier.collect.walk import find_files
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
            return detect(self.name, sample_rows(self.rows), formats=row_formats(), hints=Hints(names))
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
    """Names of files of prose."""
    others: dict[str, str] = field(default_factory=dict)
    """Name of every file that would not be read -> why."""


def peek(sources: Sequence[Path]) -> Peek:
    """Look at every file of the sources without reading more than 20,000 rows of any."""
    seen = Peek()
    found = find_files(sources)
    with Workers(warm=modules_for(entry.name for entry in found)) as workers:
        intake = Intake(workers, job_of=_first_look)
        _peek_files(intake, items_of(found, hash_files(found)), seen)
    return seen


def _first_look(item: Item) -> Job:
    return replace(item.job(), documents=False, most_rows=MOST_ROWS)


def _peek_files(intake: Intake, items: Iterable[Item], seen: Peek) -> None:
    for item, reply in intake.replies(items):
        if reply is None:
            seen.others[item.name] = item.settled[1] if item.settled else f"same bytes as {item.copy_of}"
        else:
            _peek_file(intake, item, reply, seen)
            if item.name not in seen.others:
                intake.keep(item)
            reply.close()
        item.close()


def _peek_file(intake: Intake, item: Item, reply: Reply, seen: Peek) -> None:
    kind = reply.identity.type
    problem = reply.identity.problem or reply.problem
    if problem:
        seen.others[item.name] = problem
    elif kind in CONTAINERS:
        _peek_files(intake, intake.members(item, reply), seen)
    elif kind in ROW_READERS:
        heads = list(_heads(item.name, reply.rows()))
        seen.heads += heads
        if not heads:
            seen.others[item.name] = "no rows"
    elif kind in READERS:
        seen.prose.append(item.name)
    else:
        seen.others[item.name] = f"no reader for {kind}"


def _heads(file: str, items: Iterator[Row | Reject]) -> Iterator[Head]:
    for name, group in groupby(items, key=table_of):
        rows = tuple(item for item in group if isinstance(item, Row))
        if rows:
            yield Head(name=name, file=file, columns=tuple(columns_of(rows)), rows=rows)
