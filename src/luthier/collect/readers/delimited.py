"""CSV and TSV: one header, one record per row, physical line numbers.

A record may span lines inside quotes. A quote that never closes costs the line it stands on, not the rest of the file.
"""

import csv
import io
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from luthier.collect.reading import MOST_ROW_CHARACTERS, Source, UnreadableError, column_names, reject, unreadable_on
from luthier.records import Reject, Row

DELIMITERS = (",", ";", "\t", "|")
SNIFFED_RECORDS = 200
MOST_LINES = 1_000
"""A quoted cell that is longer counts as never closed."""
EXCEL_HINT = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
Line = tuple[int, str]
UNCLOSED = "a quote is opened here and never closed"

csv.field_size_limit(MOST_ROW_CHARACTERS)


@dataclass(frozen=True, slots=True)
class Record:
    """Cells of one record, or why they cannot be told apart."""

    line: int
    cells: tuple[str, ...]
    raw: str
    problem: str = ""


def read_csv(source: Source) -> Iterator[Row | Reject]:
    """Rows of a CSV file; the delimiter is sniffed from the first records."""
    return _read(source, delimiters=DELIMITERS)


def read_tsv(source: Source) -> Iterator[Row | Reject]:
    """Rows of a tab-separated file; another delimiter is found too if there are no tabs."""
    return _read(source, delimiters=("\t", ",", ";", "|"))


def _read(source: Source, *, delimiters: tuple[str, ...]) -> Iterator[Row | Reject]:
    assert source.encoding is not None
    # newline="" keeps line breaks inside quotes as they are; every physical line still comes alone.
    with (
        unreadable_on(UnicodeDecodeError, problem="encodings are mixed"),
        source.path.open(encoding=source.encoding, newline="") as stream,
    ):
        yield from _rows(source.name, stream, delimiters)


def _rows(name: str, stream: Iterator[str], delimiters: tuple[str, ...]) -> Iterator[Row | Reject]:
    lines = enumerate(stream, start=1)
    head = list(itertools.islice(lines, 2 * SNIFFED_RECORDS))
    hint = EXCEL_HINT.match(head[0][1]) if head else None
    delimiter = hint.group(1) if hint else sniff(head, delimiters)
    numbered = itertools.chain(head[1:] if hint else head, lines)
    filled = (record for record in records(numbered, delimiter) if any(record.cells) or record.problem)
    header = next(filled, None)
    if header is None:
        return
    if header.problem:
        raise UnreadableError(f"line {header.line}: the header cannot be read: {header.problem}")
    names = column_names(list(header.cells))
    for record in filled:
        yield _row(name, record, names)


def _row(name: str, record: Record, names: list[str]) -> Row | Reject:
    cells = list(record.cells)
    while len(cells) > len(names) and not cells[-1].strip():
        cells.pop()
    if record.problem or len(cells) != len(names):
        reason = record.problem or f"{len(cells)} cells where the header has {len(names)}"
        return reject(name, record.line, reason, record.raw)
    return Row(at=f"{name}:{record.line}", line=record.line, values=dict(zip(names, cells, strict=True)))


def sniff(head: list[Line], delimiters: tuple[str, ...]) -> str:
    """The delimiter that cuts most of the first records into one number of cells above 1, else the first one."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(record.cells) for record in records(iter(head), delimiter) if any(record.cells))
        if not widths:
            return (0.0, 0)
        width, count = widths.most_common(1)[0]
        return (count / widths.total(), width) if width > 1 else (0.0, 1)

    return max(delimiters, key=score)


def records(lines: Iterator[Line], delimiter: str) -> Iterator[Record]:
    """Cut numbered physical lines into records."""
    waiting: deque[Line] = deque()
    source = iter(lines)
    while True:
        first = waiting.popleft() if waiting else next(source, None)
        if first is None:
            return
        yield _record(first, waiting, source, delimiter)


def _record(first: Line, waiting: deque[Line], source: Iterator[Line], delimiter: str) -> Record:
    number, raw = first
    if '"' not in raw:
        return Record(number, tuple(raw.rstrip("\r\n").split(delimiter)) if raw.strip() else (), raw)
    taken: list[Line] = []
    text = raw
    while True:
        cells, problem = _parse(text, delimiter)
        if not problem or (problem != UNCLOSED and not taken):
            return Record(number, cells, text, problem)
        hopeful = problem == UNCLOSED and len(text) < MOST_ROW_CHARACTERS
        following = _next_closing(waiting, source, taken) if hopeful else []
        if not following:
            # The lines behind the stray quote are records of their own.
            waiting.extendleft(reversed(taken))
            return Record(number, (), raw, UNCLOSED)
        text += "".join(following)


def _next_closing(waiting: deque[Line], source: Iterator[Line], taken: list[Line]) -> list[str]:
    """Take lines up to the next one that could close the quote; empty if the file or the patience ends first."""
    lines: list[str] = []
    while len(taken) < MOST_LINES:
        entry = waiting.popleft() if waiting else next(source, None)
        if entry is None:
            return []
        taken.append(entry)
        lines.append(entry[1])
        if '"' in entry[1]:
            return lines
    return []


def _parse(text: str, delimiter: str) -> tuple[tuple[str, ...], str]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        message = str(error)
        if "unexpected end of data" in message:
            return (), UNCLOSED
        if "field larger" in message:
            return (), f"a cell is longer than {MOST_ROW_CHARACTERS:,} characters"
        return (), "text follows a closing quote; double the quotes inside a quoted cell"
    return (tuple(rows[0]), "") if len(rows) == 1 else ((), "quotes are broken")
