"""Tables of tbl(1): rows of cells, without their layout."""

import re
from collections.abc import Iterator, Sequence

from luthier.collect.readers.roff import arguments_of
from luthier.collect.readers.roff_escapes import plain

SEPARATOR = re.compile(r"\btab\s*\((.)\)")
RULE = re.compile(r"[ \t]*[_=\-][ \t_=\-]*|\\\^|\\_")
FONT = re.compile(r"[.'][ \t]*(B|I|R|BR|RB|BI|IB|IR|RI|SM|SB)[ \t]+(.*)")
CONTROL = frozenset({".", "'"})


def plain_rows(lines: Sequence[str]) -> list[list[str]]:
    """The cells of all rows between `.TS` and `.TE` with their escapes done; rules are left out."""
    separator = "\t"
    rest = list(lines)
    if rest and rest[0].rstrip().endswith(";"):
        found = SEPARATOR.search(rest.pop(0))
        separator = found.group(1) if found else separator
    rows: list[list[str]] = []
    body = iter(rest)
    _skip_layout(body)
    for line in body:
        if line.startswith(".T&"):
            _skip_layout(body)
        elif not RULE.fullmatch(line.rstrip()) and (line[:1] not in CONTROL or FONT.match(line)):
            rows.append(["" if RULE.fullmatch(cell) else plain(cell) for cell in _cells(line, body, separator)])
    return rows


def _skip_layout(body: Iterator[str]) -> None:
    for line in body:
        if line.rstrip().endswith("."):
            return


def _cells(line: str, body: Iterator[str], separator: str) -> list[str]:
    """The cells of one row; one that opens with T{ goes on to the line with T}."""
    *cells, last = line.split(separator)
    cells = [_unmarked(cell) for cell in cells]
    if last.strip() != "T{":
        return [*cells, _unmarked(last)]
    inside: list[str] = []
    for inner in body:
        if inner.startswith("T}"):
            after = inner[2:].removeprefix(separator)
            return [*cells, " ".join(inside), *(_cells(after, body, separator) if after else [])]
        inside.append(_unmarked(inner))
    return [*cells, " ".join(inside)]


def _unmarked(line: str) -> str:
    """A line of a cell without the macro that sets its type."""
    font = FONT.match(line)
    if font is None:
        return "" if line[:1] in CONTROL and line[1:2].isalpha() else line
    return ("" if len(font.group(1)) == 2 and font.group(1) != "SM" else " ").join(arguments_of(font.group(2)))
