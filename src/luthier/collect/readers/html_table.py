"""Tables of a page: which hold data, and what stands in which place of their grid."""

from collections.abc import Sequence

from luthier.collect.readers.html_text import HEADINGS, Element, flat_text
from luthier.collect.readers.pipes import Piece

BLOCKS_INSIDE = (*sorted(HEADINGS), "pre", "table")
MOST_SPAN = 100
"""Columns that one cell may cover: pages ask for more only by mistake."""


def rows_of(table: Element) -> list[Element]:
    """The rows of a table, without those of tables inside it."""
    return [row for row in table.iter("tr") if next(row.iterancestors("table"), None) is table]


def cells_of(row: Element) -> list[Element]:
    """The cells of a row."""
    return [cell for cell in row if cell.tag in {"td", "th"}]


def is_layout(table: Element) -> bool:
    """True if the table only places its contents: no titles, and one column or headings, code or tables inside."""
    rows = rows_of(table)
    if table.get("role") in {"presentation", "none"}:
        return True
    widest = max((len(cells_of(row)) for row in rows), default=0)
    if widest <= 1:
        return True
    has_titles = any(cell.tag == "th" for row in rows for cell in cells_of(row))
    return not has_titles and next(table.iterdescendants(*BLOCKS_INSIDE), None) is not None


def grid_of(rows: Sequence[Element]) -> list[list[Piece]]:
    """The cells of all rows, each at every place that it covers."""
    grid: list[list[Piece]] = []
    reaching: dict[int, tuple[Piece, int]] = {}
    """Column -> the piece that reaches down into the next row, and how many rows are left."""
    for row in rows:
        places: list[Piece] = []
        left = dict(reaching)
        for cell in cells_of(row):
            _take_reaching(places, left)
            piece = Piece(flat_text(cell))
            height = _span(cell, "rowspan", most=len(rows)) or len(rows)
            for _ in range(max(1, _span(cell, "colspan", most=MOST_SPAN))):
                reaching[len(places)] = (piece, height)
                places.append(piece)
        _take_reaching(places, left)
        reaching = {column: (piece, count - 1) for column, (piece, count) in reaching.items() if count > 1}
        grid.append(places)
    return grid


def header_rows(rows: Sequence[Element]) -> int:
    """How many rows are titles: those of the head, else leading rows of title cells, else one; none if only the first
    column holds titles."""
    in_head: int = sum(row.getparent().tag == "thead" for row in rows)
    if in_head:
        return in_head
    kinds = [[cell.tag for cell in cells_of(row)] for row in rows]
    leading = next((number for number, tags in enumerate(kinds) if set(tags) != {"th"}), len(rows))
    if leading:
        return leading if leading < len(rows) else 1
    return 0 if all(tags[:1] == ["th"] for tags in kinds) else 1


def _take_reaching(places: list[Piece], left: dict[int, tuple[Piece, int]]) -> None:
    while len(places) in left:
        places.append(left.pop(len(places))[0])


def _span(cell: Element, name: str, *, most: int) -> int:
    text: str = (cell.get(name) or "").strip()
    return min(int(text), most) if text.isdecimal() and len(text) < 6 else 1
