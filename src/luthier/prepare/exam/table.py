"""Tables: what a cell says, and which row holds the most or the least; the truth is computed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from luthier.artifacts.canonical import hash_order
from luthier.prepare.exam.passage import Passage
from luthier.prepare.exam.question import SPARE, WRONG, Material, Question

TASK = "table"
ROW = re.compile(r"^\|(?P<cells>.+)\|[ \t]*$", re.MULTILINE)
RULE = re.compile(r"[\s|:-]+")
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
MOST_ROWS = 12
"""Rows of a table that are shown: the asked one and its neighbours."""
LONGEST = 80
"""Characters of a cell that is asked for or names a row."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A pipe table of a passage: header, then rows of (cells, where each begins)."""

    passage: Passage
    header: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]

    def column(self, place: int) -> list[str]:
        """Its cells."""
        return [cells[place] for cells, _starts in self.rows]


def table_questions(material: Material) -> Iterator[Question]:
    """Questions about cells, and about the largest and smallest of columns of numbers; wrong answers are other cells of
    the same column.
    """
    for passage in material.passages:
        questions = [one for table in tables_in(passage) for one in (*_cells(table, material), *_ends(table, material))]
        yield from sorted(questions, key=lambda one: hash_order(one.prompt))[: material.most]


def number_questions(material: Material) -> Iterator[Question]:
    """Questions for cells that are numbers, to be written, not chosen."""
    for one in table_questions(material):
        if one.family == f"{TASK}:cell" and _number(one.gold) is not None:
            yield replace(one, task="number", family="number:cell", wrong=())


def tables_in(passage: Passage) -> Iterator[Rows]:
    """Tables whose rows are named by their first column."""
    lines = [(match.start(), match["cells"], match.start("cells")) for match in ROW.finditer(passage.text)]
    at = 0
    while at + 2 < len(lines):
        is_header = RULE.fullmatch(lines[at + 1][1]) and _adjoin(passage.text, lines[at], lines[at + 1])
        if not is_header:
            at += 1
            continue
        last = at + 1
        while last + 1 < len(lines) and _adjoin(passage.text, lines[last], lines[last + 1]):
            last += 1
        header = tuple(cell for cell, _start in _split(lines[at][1], 0))
        rows = [tuple(zip(*_split(cells, start), strict=True)) for _line, cells, start in lines[at + 2 : last + 1]]
        whole = [(tuple(cells), tuple(starts)) for cells, starts in rows if len(cells) == len(header)]
        names = [cells[0] for cells, _starts in whole]
        if len(header) > 1 and all(header) and len(set(names)) == len(names) >= WRONG + 1:
            yield Rows(passage, header, tuple(whole))
        at = last + 1


def _adjoin(text: str, line: tuple[int, str, int], following: tuple[int, str, int]) -> bool:
    return text[line[2] + len(line[1]) : following[0]].strip(" \t|") == "\n"


def _split(cells: str, start: int) -> list[tuple[str, int]]:
    found = []
    for cell in cells.split("|"):
        found.append((cell.strip(), start + len(cell) - len(cell.lstrip())))
        start += len(cell) + 1
    return found


def _cells(table: Rows, material: Material) -> Iterator[Question]:
    for place in range(1, len(table.header)):
        column = table.column(place)
        for cells, starts in table.rows:
            gold = cells[place]
            if not gold or len(gold) > LONGEST or column.count(gold) > 1 or not 0 < len(cells[0]) <= LONGEST:
                continue
            wrong = _others(column, gold, f"{table.passage.id}:{starts[place]}")
            if len(wrong) >= WRONG:
                asked = f"{table.header[0]}: {cells[0]}\n{table.header[place]}:"
                yield _question(table, material, f"{TASK}:cell", (asked, gold), (starts[0], starts[place]), wrong)


def _ends(table: Rows, material: Material) -> Iterator[Question]:
    """The rows with the largest and the smallest number of a column that holds nothing else."""
    names = table.column(0)
    for place in range(1, len(table.header)):
        numbers = [_number(cell) for cell in table.column(place)]
        values = [number for number in numbers if number is not None]
        if len(values) < len(numbers) or material.claim != "SKILL" or len(table.rows) > MOST_ROWS:
            continue
        for word, end in (("largest", max(values)), ("smallest", min(values))):
            row = values.index(end)
            if values.count(end) > 1 or not 0 < len(names[row]) <= LONGEST:
                continue
            wrong = _others(names, names[row], f"{table.passage.id}:{place}:{word}")
            asked = f"{table.header[0]} with the {word} {table.header[place]}:"
            starts = table.rows[row][1]
            yield _question(table, material, f"{TASK}:{word}", (asked, names[row]), (starts[0], starts[0]), wrong)


def _question(
    table: Rows,
    material: Material,
    family: str,
    asked: tuple[str, str],
    places: tuple[int, int],
    wrong: Sequence[str],
) -> Question:
    """`asked`: the question and its answer; `places`: where the row begins, and the answer."""
    passage, (question, gold) = table.passage, asked
    shown = question
    if material.claim == "SKILL":
        row = next(number for number, (_cells, starts) in enumerate(table.rows) if starts[0] == places[0])
        first = max(0, min(row - MOST_ROWS // 2, len(table.rows) - MOST_ROWS))
        kept = [table.header, *(cells for cells, _starts in table.rows[first : first + MOST_ROWS])]
        shown = "\n".join(f"| {' | '.join(cells)} |" for cells in kept) + f"\n\n{question}"
    prompt = f"{passage.title}\n\n{shown}" if passage.title else shown
    return Question(passage, TASK, family, prompt, gold, places[1], places[1] + len(gold), tuple(wrong))


def _others(column: Sequence[str], gold: str, name: str) -> list[str]:
    """Other values of a column, once each, those of like length first."""
    others = {cell for cell in column if cell and cell != gold and len(cell) <= LONGEST}
    return sorted(others, key=lambda cell: (abs(len(cell) - len(gold)) // 5, hash_order(f"{name}{cell}")))[:SPARE]


def _number(cell: str) -> float | None:
    return float(cell.replace(",", "")) if NUMBER.fullmatch(cell) else None
