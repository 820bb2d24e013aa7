"""Sheets to tables: a sheet falls apart at blank rows and columns, and every part says where it stood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luthier.collect.readers.draft import Draft
from luthier.collect.readers.pipes import Piece

Grid = Sequence[Sequence[Piece]]


@dataclass(frozen=True, slots=True)
class Box:
    """Rows and columns of a sheet from 0, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int


def find_regions(grid: Grid) -> Iterator[Box]:
    """Parts of a grid that blank rows and columns part, top to bottom, then left to right."""
    yield from _split(grid, Box(0, 0, len(grid), max(map(len, grid), default=0)))


def write_region(draft: Draft, grid: Grid, box: Box, *, sheet: str, origin: tuple[int, int]) -> None:
    """Write one region as a table, or as lines where it is one column wide; `origin` is the grid's first cell."""
    rows = [grid[number][box.left : box.right] for number in range(box.top, box.bottom)]
    places = [f"{sheet}!{cell_name(origin[0] + row, origin[1] + box.left)}" for row in range(box.top, box.bottom)]
    height = _caption_rows(rows)
    captions = [next(piece for piece in row if piece.text.strip()) for row in rows[:height]]
    for caption, place in dict(zip(captions, places, strict=False)).items():
        draft.place(place)
        draft.paragraph(caption.text)
    rows, places = rows[height:], places[height:]
    if len(rows[0]) > 1:
        draft.place(places[0])
        draft.cells(rows, at=places[0], header_rows=_header_rows(rows), is_typed=True, places=places)
        return
    for number, (place, row) in enumerate(zip(places, rows, strict=True)):
        draft.place(place)
        draft.paragraph(row[0].text, gap="\n" if number else "\n\n")


def cell_name(row: int, column: int) -> str:
    """`B7` for row 6, column 1."""
    letters, column = "", column + 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row + 1}"


def _split(grid: Grid, box: Box) -> Iterator[Box]:
    bands = list(
        _runs(
            [
                any(_filled(grid, row, column) for column in range(box.left, box.right))
                for row in range(box.top, box.bottom)
            ]
        )
    )
    for first, last in bands:
        top, bottom = box.top + first, box.top + last
        columns = [
            any(_filled(grid, row, column) for row in range(top, bottom)) for column in range(box.left, box.right)
        ]
        parts = [Box(top, box.left + start, bottom, box.left + end) for start, end in _runs(columns)]
        for part in parts:
            if part == box or len(parts) == 1:
                yield part
            else:
                yield from _split(grid, part)


def _runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    start = None
    for place, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = place
        elif not flag and start is not None:
            yield start, place
            start = None


def _filled(grid: Grid, row: int, column: int) -> bool:
    return column < len(grid[row]) and bool(grid[row][column].text.strip())


def _caption_rows(rows: Grid) -> int:
    """How many rows above a table hold one filled cell only."""
    height = 0
    while height < len(rows) - 1 and len(rows[0]) > 1 and len({one for one in rows[height] if one.text.strip()}) == 1:
        height += 1
    return height


def _header_rows(rows: Grid) -> int:
    """None if the first row is numbers alone, more than one where its titles are merged downwards or across columns."""
    titles = {piece for piece in rows[0] if piece.text.strip()}
    if not any(isinstance(piece.value, str) for piece in titles):
        return 0
    height = max(sum(piece in row for row in rows) for piece in titles)
    has_groups = any(rows[0].count(piece) > 1 for piece in titles)
    return max(1, min(max(height, 1 + has_groups), len(rows) - 1))
