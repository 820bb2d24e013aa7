"""CSV and TSV: one header, one record per row, physical line numbers.

A record may span lines inside quotes. A quote that never closes costs the line it stands on, not the rest of the file.
"""

import csv
import io
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from luthier.collect.readers.lines import TOO_LONG, Line, lines_of
from luthier.collect.reading import MOST_ROW_CHARACTERS, Source, UnreadableError, column_names, reject
from luthier.records import Reject, Row

DELIMITERS = (",", ";", "\t", "|")
ONE_COLUMN = "\x1f"
"""A delimiter that no text holds: every line is one cell."""
SNIFFED_LINES = 400
EXCEL_HINT = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
BACKSLASHED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
QUOTE = re.compile(r'"("?)')
UNCLOSED = "a quote is opened here and never closed"

csv.field_size_limit(MOST_ROW_CHARACTERS)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the cells of a file are told apart."""

    delimiter: str
    is_quoted: bool = True
    """False: a quote is a letter like any other, as in many tab-separated files."""
    is_spaced: bool = False
    """True: blanks stand between delimiter and quote."""
    is_backslashed: bool = False
    """True: a quote inside quotes is written `\\"`, not doubled."""


@dataclass(frozen=True, slots=True)
class Record:
    """Cells of one record, or why they cannot be told apart."""

    line: Line
    """The line that it begins on."""
    cells: tuple[str, ...]
    raw: str
    problem: str = ""


def read_csv(source: Source) -> Iterator[Row | Reject]:
    """Rows of a CSV file; delimiter and quoting are sniffed from the first lines."""
    return _rows(source.name, lines_of(source, newline=""), DELIMITERS)


def read_tsv(source: Source) -> Iterator[Row | Reject]:
    """Rows of a tab-separated file; another delimiter is found too if there are no tabs."""
    return _rows(source.name, lines_of(source, newline=""), ("\t", ",", ";", "|"))


def _rows(name: str, lines: Iterator[Line], delimiters: tuple[str, ...]) -> Iterator[Row | Reject]:
    head = list(itertools.islice(lines, SNIFFED_LINES))
    hint = EXCEL_HINT.match(head[0].text) if head else None
    dialect = Dialect(hint.group(1)) if hint else sniff(head, delimiters)
    cutter = Cutter(itertools.chain(head[1:] if hint else head, lines), dialect)
    header = next((record for record in cutter if any(record.cells) or record.problem), None)
    if header is None:
        return
    if header.problem:
        raise UnreadableError(f"line {header.line.number}: the header cannot be read: {header.problem}")
    names = column_names(list(header.cells))
    cutter.width = len(names)
    for record in cutter:
        if any(record.cells) or record.problem:
            yield _row(name, record, header.cells, names)


def _row(name: str, record: Record, header: tuple[str, ...], names: list[str]) -> Row | Reject:
    cells, line = list(record.cells), record.line
    while len(cells) > len(names) and not cells[-1].strip():
        cells.pop()
    problem = record.problem
    if not problem and len(cells) != len(names):
        problem = f"{len(cells)} cells where the header has {len(names)}"
    elif record.cells == header:
        problem = "the header stands here again"
    if problem:
        return reject(name, line.number, problem, record.raw, offset=line.offset)
    values = dict(zip(names, cells, strict=True))
    return Row(at=f"{name}:{line.number}", line=line.number, values=values, offset=line.offset)


def sniff(head: list[Line], delimiters: tuple[str, ...]) -> Dialect:
    """The dialect that cuts most of the first records into one number of cells above 1; one column if none does.

    Of dialects that do equally well the simplest counts, and of delimiters the one that makes more cells.
    """
    text = "".join(line.text for line in head)
    plain = [Dialect(delimiter) for delimiter in delimiters if delimiter in _first_filled(head)]
    if not plain:
        return Dialect(ONE_COLUMN)
    spaced = [
        replace(dialect, is_spaced=True) for dialect in plain if re.search(f'{re.escape(dialect.delimiter)} +"', text)
    ]
    backslashed = [replace(dialect, is_backslashed=True) for dialect in plain if '\\"' in text]
    unquoted = [replace(dialect, is_quoted=False) for dialect in plain if dialect.delimiter == "\t" and '"' in text]
    return max([*plain, *spaced, *backslashed, *unquoted], key=lambda dialect: _score(head, dialect))


def _first_filled(head: Iterable[Line]) -> str:
    return next((line.text for line in head if line.text.strip()), "")


def _score(head: list[Line], dialect: Dialect) -> tuple[float, int]:
    """Share of the records that have the commonest number of cells, and that number."""
    found = [record for record in Cutter(iter(head), dialect) if any(record.cells) or record.problem]
    widths = Counter(len(record.cells) for record in found if not record.problem)
    width, count = widths.most_common(1)[0] if widths else (1, 0)
    return (count / len(found), width) if width > 1 else (0.0, 1)


class Cutter:
    """Cuts physical lines into records."""

    def __init__(self, lines: Iterator[Line], dialect: Dialect) -> None:
        self.width = 0
        """Cells of the header, once they are known."""
        self._dialect = dialect
        self._lines = lines
        self._waiting: deque[Line] = deque()

    def __iter__(self) -> Iterator[Record]:
        """All records; blank lines are records without cells."""
        while (line := self._next()) is not None:
            yield self._record(line)

    def _next(self) -> Line | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def _record(self, first: Line) -> Record:
        text = first.text
        if not first.is_whole:
            return Record(first, (), text, TOO_LONG)
        if not self._dialect.is_quoted or '"' not in text:
            bare = text.rstrip("\r\n")
            return Record(first, tuple(bare.split(self._dialect.delimiter)) if bare.strip() else (), text)
        cells, problem = self._parse(text)
        if problem != UNCLOSED:
            return Record(first, cells, text, problem)
        following, is_closed = self._rest(len(text))
        whole = text + "".join(line.text for line in following)
        cells, problem = self._parse(whole) if is_closed else ((), UNCLOSED)
        if problem or self._swallowed(cells, following):
            # The lines behind the stray quote are records of their own.
            self._waiting.extendleft(reversed(following))
            return Record(first, (), text, UNCLOSED)
        return Record(first, cells, whole)

    def _rest(self, length: int) -> tuple[list[Line], bool]:
        """The lines up to the one that closes the quote; False if the file or the patience ends first."""
        taken: list[Line] = []
        is_open: bool | None = True
        while is_open and length < MOST_ROW_CHARACTERS:
            line = self._next()
            if line is None:
                return taken, False
            taken.append(line)
            length += len(line.text)
            is_open = self._goes_on(line.text) if '"' in line.text else True
        return taken, is_open is False

    def _goes_on(self, text: str) -> bool | None:
        """Whether a line that begins inside quotes ends inside quotes; None if text follows a closing quote."""
        text, delimiter = self._doubled(text), self._dialect.delimiter
        place, is_open = 0, True
        while True:
            if is_open:
                quote = QUOTE.search(text, place)
                if quote is None:
                    return True
                place, is_open = quote.end(), bool(quote[1])
                if not is_open and text[place : place + 1] not in {delimiter, "\r", "\n", ""}:
                    return None
                continue
            place = text.find(delimiter, place) + 1
            if place == 0:
                return False
            while self._dialect.is_spaced and text[place : place + 1] == " ":
                place += 1
            if text[place : place + 1] == '"':
                place, is_open = place + 1, True

    def _swallowed(self, cells: tuple[str, ...], following: list[Line]) -> bool:
        """True if the record has not the header's width, and most lines it would take along have it."""
        if len(cells) == self.width or self.width < 2:
            return False
        alone = sum(line.text.count(self._dialect.delimiter) == self.width - 1 for line in following)
        return alone > len(following) / 2

    def _doubled(self, text: str) -> str:
        return BACKSLASHED.sub(r'\1""', text) if self._dialect.is_backslashed else text

    def _parse(self, text: str) -> tuple[tuple[str, ...], str]:
        dialect = self._dialect
        lines = io.StringIO(self._doubled(text), newline="")
        try:
            rows = list(csv.reader(lines, delimiter=dialect.delimiter, strict=True, skipinitialspace=dialect.is_spaced))
        except csv.Error as error:
            message = str(error)
            if "unexpected end of data" in message:
                return (), UNCLOSED
            if "field larger" in message:
                return (), f"a cell is {TOO_LONG}"
            return (), "text follows a closing quote; double the quotes inside a quoted cell"
        return (tuple(rows[0]), "") if len(rows) == 1 else ((), "quotes are broken")
