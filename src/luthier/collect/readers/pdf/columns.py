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
SHORTEST_LINE = 20
"""Characters of a line of prose, where the order of the file does not tell columns from a table."""
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
    low, high = min(above.bottom, row.top), max(above.bottom, row.bottom)
    for box in obstacles:
        if box.top < high and box.bottom > low and box.left < shared[1] and box.right > shared[0]:
            is_left = box.left + box.right < shared[0] + shared[1]
            shared = (max(shared[0], box.right), shared[1]) if is_left else (shared[0], min(shared[1], box.left))
    return shared if _is_wide_enough(shared) else None


def _is_columnar(rows: list[Row], gutter: Gap) -> bool:
    """Whether two sides are read one after the other, and not row by row as a table is."""
    left = [line for row in rows if (line := [part for part in row.segments if part.right <= gutter[1]])]
    right = [line for row in rows if (line := [part for part in row.segments if part.right > gutter[1]])]
    both = _shared_lines(left, right)
    if both < FEWEST_ROWS:
        return False
    sides = [(segment.order, side) for side, part in enumerate((left, right)) for line in part for segment in line]
    sides.sort()
    changes = sum(1 for (_, one), (_, other) in itertools.pairwise(sides) if one != other)
    fill = min(_fill(left), _fill(right))
    if changes <= 2 + both // 12:
        return fill >= 0.3
    # Some programs write line by line across the columns.
    is_prose = min(_usual_length(left), _usual_length(right)) >= SHORTEST_LINE
    return is_prose and fill >= 0.75 and both >= 2 * FEWEST_ROWS and changes >= both


def _shared_lines(left: list[list[Segment]], right: list[list[Segment]]) -> int:
    """Lines that each of the sides has beside the other, the fewer of the two."""
    if not (left and right):
        return 0
    top = max(left[0][0].top, right[0][0].top)
    bottom = min(left[-1][0].bottom, right[-1][0].bottom)
    return min(sum(1 for line in side if line[0].bottom > top and line[0].top < bottom) for side in (left, right))


def _usual_length(side: list[list[Segment]]) -> float:
    """Characters of the longest segment of a line, in the middle of all lines."""
    return median(max(len(segment.text) for segment in line) for line in side)


def _fill(side: list[list[Segment]]) -> float:
    """How much of the side's width its lines take, 0 to 1; 0 if it is too narrow for prose."""
    widths = [max(segment.right for segment in line) - min(segment.left for segment in line) for line in side]
    full = max(part.right for line in side for part in line) - min(part.left for line in side for part in line)
    size = median(line[0].style.size for line in side)
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
