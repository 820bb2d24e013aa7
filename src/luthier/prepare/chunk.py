"""Documents to chunks of about 2,000 bytes, cut where a reader would: headings, paragraphs, sentences, then words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from luthier.records import Document, Span

AIM = 2_000
"""Bytes that a chunk is filled up to."""
MOST = 4_000
"""Bytes that no chunk exceeds, but for a single word that does."""
BORDER_LEVEL = 2
"""No chunk crosses a heading of this level or above it."""
PARAGRAPH = re.compile(r"\n[ \t\r]*\n\s*")
SENTENCE = re.compile(r"(?<=[.!?:;。！？])\s+|\n+")
WORD = re.compile(r"\s+")

Kind = Literal["prose", "table", "code"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a document; `path` holds the headings above it, which are context and not part of the span."""

    span: Span
    path: tuple[str, ...]
    text: str
    """The span's text; a later part of a long table begins with the table's header once more."""
    kind: Kind


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters [start, end) that are kept whole where they fit."""

    start: int
    end: int
    kind: Kind = "prose"
    header: str = ""


def cut(document: Document) -> list[Chunk]:
    """All chunks of a document in order, without overlap; together they hold every character that is not space."""
    sizes = ByteOffsets(document.text)
    chunks = []
    for start, end, path in _sections(document):
        units = [part for unit in _units(document, start, end) for part in _fitting(unit, document.text, sizes)]
        for group in _filled(units, sizes):
            first, last = group[0], group[-1]
            kinds = {unit.kind for unit in group}
            text = document.text[first.start : last.end]
            span = Span(document.id, sizes.at(first.start), sizes.at(last.end))
            kind = first.kind if len(kinds) == 1 else "prose"
            chunks.append(Chunk(span=span, path=path, text=first.header + text, kind=kind))
    return chunks


class ByteOffsets:
    """Characters to bytes of UTF-8, in constant time for ASCII and by block sums otherwise."""

    BLOCK = 1_024

    def __init__(self, text: str) -> None:
        self._text = text
        self._sums = [0]
        if not text.isascii():
            for start in range(0, len(text), self.BLOCK):
                self._sums.append(self._sums[-1] + len(text[start : start + self.BLOCK].encode()))

    def at(self, character: int) -> int:
        """Bytes before a character."""
        if len(self._sums) == 1:
            return character
        block = character // self.BLOCK
        return self._sums[block] + len(self._text[block * self.BLOCK : character].encode())

    def between(self, start: int, end: int) -> int:
        """Bytes of the characters [start, end)."""
        return self.at(end) - self.at(start)


def _sections(document: Document) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """[start, end) of stretches between headings of level 1 and 2, with the headings above each."""
    borders = [(0, 0, "")] if not document.headings or document.headings[0][0] > 0 else []
    borders += [heading for heading in document.headings if heading[1] <= BORDER_LEVEL or heading[0] == 0]
    stack: list[tuple[int, str]] = []
    for (start, level, title), (end, _level, _title) in pairwise([*borders, (len(document.text), 0, "")]):
        if title:
            stack = [above for above in stack if above[0] < level] + [(level, title)]
        yield start, end, tuple(above for _, above in stack)


def _units(document: Document, start: int, end: int) -> Iterator[Unit]:
    """Paragraphs, tables and code blocks of a section; a paragraph never crosses a heading."""
    whole: list[Unit] = [Unit(grid.start, grid.end, "table") for grid in document.grids]
    whole += [Unit(first, last, "code") for first, last in document.code]
    inside = sorted((unit for unit in whole if start <= unit.start < unit.end <= end), key=lambda unit: unit.start)
    place = start
    for unit in inside:
        if unit.start < place:
            continue  # code inside a table, or a definition inside another
        yield from _paragraphs(document, place, unit.start)
        yield unit
        place = unit.end
    yield from _paragraphs(document, place, end)


def _paragraphs(document: Document, start: int, end: int) -> Iterator[Unit]:
    text = document.text
    ends = {match.start() for match in PARAGRAPH.finditer(text, start, end)}
    ends |= {offset for offset, _level, _title in document.headings if start < offset < end}
    for first, last in pairwise(sorted({start, *ends, end})):
        yield from _stripped(Unit(first, last), text)


def _stripped(unit: Unit, text: str) -> Iterator[Unit]:
    """The unit without white space around it; nothing if there is nothing else."""
    body = text[unit.start : unit.end]
    if body.strip():
        start = unit.start + len(body) - len(body.lstrip())
        yield Unit(start, start + len(body.strip()), unit.kind, unit.header)


def _fitting(unit: Unit, text: str, sizes: ByteOffsets) -> Iterator[Unit]:
    """The unit, or its parts where it is larger than a chunk may be."""
    if sizes.between(unit.start, unit.end) <= MOST:
        yield unit
    elif unit.kind == "prose":
        yield from _parts(unit, text, sizes, [SENTENCE, WORD])
    else:
        for number, part in enumerate(_parts(unit, text, sizes, [re.compile("\n"), WORD])):
            header = _header(text[unit.start : unit.end]) if number and unit.kind == "table" else ""
            yield Unit(part.start, part.end, unit.kind, header)


def _parts(unit: Unit, text: str, sizes: ByteOffsets, cuts: list[re.Pattern[str]]) -> Iterator[Unit]:
    """Fill parts up to the aim, cutting at the first pattern, and inside a piece that is too large at the next."""
    ends = [match.start() for match in cuts[0].finditer(text, unit.start, unit.end)] + [unit.end]
    start = place = unit.start
    for end in ends:
        if place > start and sizes.between(start, end) > AIM:
            yield from _stripped(Unit(start, place, unit.kind), text)
            start = place
        if sizes.between(start, end) > MOST and len(cuts) > 1:
            yield from _parts(Unit(start, end, unit.kind), text, sizes, cuts[1:])
            start = end
        place = end
    if place > start:
        yield from _stripped(Unit(start, place, unit.kind), text)


def _filled(units: list[Unit], sizes: ByteOffsets) -> Iterator[list[Unit]]:
    """Consecutive units that make up a chunk: as many as reach the aim."""
    group: list[Unit] = []
    for unit in units:
        if group and (unit.header or sizes.between(group[0].start, unit.end) > AIM):
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _header(table: str) -> str:
    """Header and rule of a pipe table, else nothing."""
    lines = table.lstrip().splitlines(keepends=True)[:2]
    is_ruled = len(lines) == 2 and "-" in lines[1] and not lines[1].strip(" \t\r\n|:-+=")
    return "".join(lines) if is_ruled else ""
