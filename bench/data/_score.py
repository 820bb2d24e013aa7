"""How much of a tree is found again in Markdown text."""

import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from bench.data._tree import Tree

SERIAL = re.compile(r"sn\d{6}")
WORD = re.compile(r"[^\W_]+(?:[.'-][^\W_]+)*")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$", re.MULTILINE)
RULE = re.compile(r"^\|?[\s:|-]+\|?$")


@dataclass(slots=True)
class Score:
    """Sums over files; shares are made of them at the end."""

    characters: int = 0
    characters_found: int = 0
    lost: list[str] = field(default_factory=list)
    headings: Counter[str] = field(default_factory=Counter)
    """`wanted`, `given`, `right`."""
    cells: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Score") -> None:
        """Add another file."""
        self.characters += other.characters
        self.characters_found += other.characters_found
        self.lost += other.lost
        self.headings.update(other.headings)
        self.cells.update(other.cells)

    def numbers(self) -> dict[str, float | int | None]:
        """Recall of characters, words lost, F1 of headings and of cells."""
        return {
            "characters": round(self.characters_found / self.characters, 5) if self.characters else None,
            "serials lost": len(self.lost),
            "headings": f1(self.headings),
            "cells": f1(self.cells),
        }


def f1(counts: Counter[str]) -> float | None:
    """Harmonic mean of precision and recall, None if nothing was wanted."""
    if not counts["wanted"]:
        return None
    return round(2 * counts["right"] / (counts["wanted"] + counts["given"]), 4)


def score(tree: Tree, text: str, *, titles: list[str]) -> Score:
    """Compare what was read of a tree with the tree; `titles` are the headings that the format can show."""
    words = WORD.findall(text)
    places = {word: place for place, word in enumerate(words) if SERIAL.fullmatch(word)}
    found = Score()
    for sentence in tree.sentences():
        wanted = WORD.findall(sentence)
        serial = next(word for word in wanted if SERIAL.fullmatch(word))
        found.characters += sum(map(len, wanted))
        if serial not in places:
            found.lost.append(serial)
            continue
        before = wanted.index(serial)
        start = max(0, places[serial] - before - 2)
        window = words[start : places[serial] + len(wanted) - before + 2]
        blocks = SequenceMatcher(None, wanted, window, autojunk=False).get_matching_blocks()
        found.characters_found += sum(len(word) for at, _, size in blocks for word in wanted[at : at + size])
    for table in tree.tables():
        rows = [SERIAL.findall(row[0])[0] for row in table.rows]
        found.lost += [serial for serial in rows if serial not in places]
    given = Counter(_plain(title) for _, title in HEADING.findall(text))
    # A section of notes may have a heading of its own.
    given = Counter({title: number for title, number in given.items() if title.rstrip(":") != "notes"})
    found.headings = _counts(Counter(map(_plain, titles)), given)
    found.cells = _counts(Counter(_cells_of(tree)), Counter(_cells_in(text)))
    return found


def _counts(wanted: Counter[str], given: Counter[str]) -> Counter[str]:
    return Counter(wanted=wanted.total(), given=given.total(), right=(wanted & given).total())


def _cells_of(tree: Tree) -> list[str]:
    """Every cell with the row and the column that it belongs to."""
    return [
        _cell(row[0], name, cell)
        for table in tree.tables()
        for row in table.rows
        for name, cell in zip(table.header, row, strict=True)
    ]


def _cells_in(text: str) -> list[str]:
    """The same of every pipe table in a text."""
    found: list[str] = []
    header: list[str] | None = None
    above: list[str] = []
    for line in text.splitlines():
        if not line.lstrip().startswith("|"):
            header, above = None, []
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if RULE.match(line.strip()) and "-" in line:
            header = above
        elif header is not None and not any(header):
            # Some readers put the header below an empty one.
            header = cells
        elif header is not None:
            found += [_cell(cells[0], name, cell) for name, cell in zip(header, cells, strict=False) if cell]
        above = cells
    return found


def _cell(row: str, column: str, cell: str) -> str:
    return " | ".join(map(_plain, (row, column, _number(cell))))


def _number(text: str) -> str:
    return str(float(text)) if re.fullmatch(r"\d+(?:\.\d+)?", text) else text


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*_`\\]", "", text).split()).casefold()
