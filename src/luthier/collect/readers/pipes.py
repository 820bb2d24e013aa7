"""Tables as text and as numbers: pipe tables, and typed cells from written ones."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.records import Cell

WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,14})")
DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d{1,15}")
GROUPED = re.compile(r"-?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d{1,15})?")
SURELY_GROUPED = re.compile(r"-?\d{1,3}(?:(?:,\d{3}){2,}|,\d{3}\.\d+)")
TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The text of one cell of the source; a merged cell is one piece at several places of the grid."""

    text: str = ""
    value: Cell = None
    """What lies behind the text, where the source knows it."""


BLANK = Piece()


@dataclass(frozen=True, slots=True)
class Layout:
    """A table ready to be written, every span filled."""

    captions: tuple[str, ...]
    """Rows above the header that are one cell wide."""
    header: tuple[str, ...]
    rows: tuple[tuple[Piece, ...], ...]
    numbers: tuple[int, ...]
    """For each row its number in the source's grid, from 0."""
    copies: tuple[str, ...]
    """Texts that stand more often in the layout than in the source."""


def lay_out(places: Sequence[Sequence[Piece]], *, header_rows: int = 1) -> Layout:
    """Lay out a grid of pieces: title rows become captions, header rows become one; blank rows go, and columns without
    a cell of their own.

    With no header rows the header is blank.
    """
    width = max(map(len, places), default=0)
    grid = [[*row, *[BLANK] * (width - len(row))] for row in places]
    used = [place for place in range(width) if any(_begins(row, place) for row in grid)]
    numbers = [number for number, row in enumerate(grid) if any(piece.text.strip() for piece in row)]
    grid = [[grid[number][place] for place in used] for number in numbers]
    captions: list[Piece] = []
    while len(grid) > 1 and len(used) > 1 and len(set(grid[0])) == 1:
        captions.append(grid.pop(0)[0])
    height = min(max(1, header_rows - len(captions)), len(grid)) if header_rows else 0
    titles = [list(dict.fromkeys(row[place] for row in grid[:height])) for place in range(len(used))]
    uses = Counter(piece for column in titles for piece in column)
    uses.update(piece for row in grid[height:] for piece in row)
    return Layout(
        captions=tuple(piece.text for piece in captions),
        header=tuple(" ".join(piece.text for piece in column if piece.text.strip()) for column in titles),
        rows=tuple(map(tuple, grid[height:])),
        numbers=tuple(numbers[len(captions) + height :]),
        copies=tuple(piece.text for piece, count in uses.items() if piece.text for _ in range(count - 1)),
    )


def pipe_table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A Markdown pipe table; short rows are filled up with empty cells, spans must be filled already."""
    width = max([len(header), *map(len, rows)])
    titles = [*header, *[""] * (width - len(header))]
    lines = [_line(titles), "|" + " --- |" * width]
    return "\n".join([*lines, *(_line([*row, *[None] * (width - len(row))]) for row in rows)])


def typed_cells(rows: Sequence[Sequence[str]]) -> tuple[tuple[Cell, ...], ...]:
    """Written cells as values, column by column; empty ones are None, short rows are filled up.

    A column turns into numbers (or true and false) only if all its filled cells are such: `007`, `1.2.3` and units stay
    text, and so does `1,234`, which is a fraction elsewhere, unless the column holds a number that settles it.
    """
    width = max(map(len, rows), default=0)
    filled = [[cell.strip() for cell in [*row, *[""] * (width - len(row))]] for row in rows]
    columns = [_typed_column([row[place] for row in filled]) for place in range(width)]
    return tuple(tuple(column[number] for column in columns) for number in range(len(filled)))


def cell_text(cell: Cell) -> str:
    """A cell as it is written: true and false in lower case, whole numbers without a point, None as nothing."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15 else str(cell)


def _begins(row: Sequence[Piece], place: int) -> bool:
    return bool(row[place].text.strip()) and (place == 0 or row[place] is not row[place - 1])


def _line(cells: Sequence[Cell]) -> str:
    return "| " + " | ".join(" ".join(cell_text(cell).split()).replace("|", r"\|") for cell in cells) + " |"


def _typed_column(cells: Sequence[str]) -> list[Cell]:
    plain = [cell.replace("\N{MINUS SIGN}", "-") for cell in cells]
    used = [cell for cell in plain if cell]
    if used and all(cell.lower() in TRUTH for cell in used):
        return [TRUTH[cell.lower()] if cell else None for cell in plain]
    if any(SURELY_GROUPED.fullmatch(cell) for cell in used):
        plain = [cell.replace(",", "") if GROUPED.fullmatch(cell) else cell for cell in plain]
        used = [cell for cell in plain if cell]
    if used and all(WHOLE.fullmatch(cell) or DECIMAL.fullmatch(cell) for cell in used):
        return [_number(cell) if cell else None for cell in plain]
    return [cell or None for cell in cells]


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
