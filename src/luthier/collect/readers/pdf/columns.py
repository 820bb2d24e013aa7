"""Reading order: a page is cut at gutters into columns, and columns are cut again (recursive XY-cut, Nagy 1984)."""

import itertools
from dataclasses import dataclass
from statistics import median

from luthier.collect.readers.pdf.boxes import Box, Segment
from luthier.collect.readers.pdf.lines import Row, find_rows
from luthier.collect.readers.pdf.tables import Table

NARROWEST_GUTTER = 7.0
"""Points."""
FEWEST_ROWS = 3
"""Rows with text on both sides that a gutter needs."""
DEEPEST = 8
Gap = tuple[float, float]


@dataclass(slots=True)
class _Band:
    """Rows `first` to `last` that one gutter parts."""

    first: int
    last: int
    gutter: Gap


def reading_order(segments: list[Segment], *, obstacles: list[Box], depth: int = 0) -> list[list[Row]]:
    """Rows of one column after the other; nothing is cut across an obstacle (a table)."""
    rows = find_rows(segments)
    band = _first_band(rows, obstacles) if depth < DEEPEST else None
    if band is None:
        return [rows] if rows else []
    inside = [segment for row in rows[band.first : band.last + 1] for segment in row.segments]
    parts = [
        [segment for row in rows[: band.first] for segment in row.segments],
        [segment for segment in inside if segment.right <= band.gutter[1]],
        [segment for segment in inside if segment.right > band.gutter[1]],
        [segment for row in rows[band.last + 1 :] for segment in row.segments],
    ]
    return [column for part in parts for column in reading_order(part, obstacles=obstacles, depth=depth + 1)]


def _first_band(rows: list[Row], obstacles: list[Box]) -> _Band | None:
    seen = -1
    for number, row in enumerate(rows):
        if number <= seen:
            continue
        for gap in _gaps(row)[1:-1]:
            band = _extend(rows, number, gap, obstacles)
            if _is_columnar(rows[band.first : band.last + 1], band.gutter):
                return band
            seen = max(seen, band.last if _is_wide_enough(gap) else seen)
    return None


def _gaps(row: Row) -> list[Gap]:
    """The free room of a row: left of it, between its segments, and right of it."""
    edges, right = [], float("-inf")
    for segment in row.segments:
        edges.append((right, segment.left))
        right = max(right, segment.right)
    return [*edges, (right, float("inf"))]


def _is_wide_enough(gap: Gap) -> bool:
    return gap[1] - gap[0] >= NARROWEST_GUTTER


def _extend(rows: list[Row], start: int, gap: Gap, obstacles: list[Box]) -> _Band:
    """The rows above and below that leave the gutter free as well."""
    if not _is_wide_enough(gap):
        return _Band(start, start, gap)
    band = _Band(start, start, gap)
    for number in range(start + 1, len(rows)):
        shared = _narrowed(rows, number, band.gutter, obstacles, above=rows[number - 1])
        if shared is None:
            break
        band.last, band.gutter = number, shared
    for number in range(start - 1, -1, -1):
        if rows[number + 1].top - rows[number].bottom > 2 * rows[number].height:
            break
        shared = _narrowed(rows, number, band.gutter, obstacles, above=rows[number])
        if shared is None:
            break
        band.first, band.gutter = number, shared
    return band


def _narrowed(rows: list[Row], number: int, gutter: Gap, obstacles: list[Box], *, above: Row) -> Gap | None:
    row = rows[number]
    shared = max(
        ((max(gutter[0], gap[0]), min(gutter[1], gap[1])) for gap in _gaps(row)), key=lambda gap: gap[1] - gap[0]
    )
    if not _is_wide_enough(shared):
        return None
    low, high = min(above.bottom, row.top), max(above.bottom, row.bottom)
    is_blocked = any(
        box.left < shared[1] - 1 and box.right > shared[0] + 1 and box.top < high and box.bottom > low
        for box in obstacles
    )
    return None if is_blocked else shared


def _is_columnar(rows: list[Row], gutter: Gap) -> bool:
    """Whether two sides are read one after the other, and not row by row as a table is."""
    left = [[segment for segment in row.segments if segment.right <= gutter[1]] for row in rows]
    right = [[segment for segment in row.segments if segment.right > gutter[1]] for row in rows]
    both = sum(1 for pair in zip(left, right, strict=True) if all(pair))
    if both < FEWEST_ROWS:
        return False
    sides = [(segment.order, side) for side, part in enumerate((left, right)) for line in part for segment in line]
    sides.sort()
    changes = sum(1 for (_, one), (_, other) in itertools.pairwise(sides) if one != other)
    fill = min(_fill(left), _fill(right))
    if changes <= 2 + both // 12:
        return fill >= 0.3
    # Some programs write line by line across the columns.
    return fill >= 0.75 and both >= 2 * FEWEST_ROWS and changes >= both


def _fill(side: list[list[Segment]]) -> float:
    """How much of the side's width its lines take, 0 to 1; 0 if it is too narrow for prose."""
    lines = [line for line in side if line]
    widths = [max(segment.right for segment in line) - min(segment.left for segment in line) for line in lines]
    full = max(segment.right for line in lines for segment in line) - min(
        segment.left for line in lines for segment in line
    )
    size = median(line[0].style.size for line in lines)
    return median(widths) / full if full > 8 * size else 0.0


def place_tables(columns: list[list[Row]], tables: list[Table]) -> list[list[Row | Table]]:
    """Columns with each table behind what stands right above it, else before what stands right below."""
    placed: list[list[Row | Table]] = [[*column] for column in columns]
    for table in sorted(tables, key=lambda table: (table.top, table.left)):
        spots = [
            (box.bottom <= table.top + 3, abs(box.top - table.top), number, place)
            for number, column in enumerate(placed)
            for place, box in enumerate(column)
            if min(box.right, table.right) > max(box.left, table.left)
        ]
        above = min((spot[1:] for spot in spots if spot[0]), default=None)
        below = min((spot[1:] for spot in spots if not spot[0]), default=None)
        if above is not None:
            placed[above[1]].insert(above[2] + 1, table)
        elif below is not None:
            placed[below[1]].insert(below[2], table)
        else:
            placed.append([table])
    return placed
