"""Tables: cells between rulings, or rows whose cells stand below one another."""

import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from luthier.collect.readers.pdf.boxes import BREAK, Box, Segment, Word, bounds
from luthier.collect.readers.pdf.drawing import THIN
from luthier.collect.readers.pdf.lines import Row, find_rows, find_segments
from luthier.collect.readers.pipes import Piece

TOUCH = 3.0
"""Points within which two rulings meet, and two edges are one."""
SHORTEST = 6.0
FEWEST_ROWS = 3
"""Rows with several cells that a table without rulings needs."""
MOST_ROWS = 300
SHORT = 16
"""Characters of a cell that may be set to the right or in the middle."""
LEADERS = re.compile(r"(?:[.·_]\s?){4,}|…{2,}")
MARKER = re.compile(r"[•●▪◦‣∙*–—-]|[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)\]]")
Interval = tuple[float, float]


@dataclass(slots=True)
class Table(Box):
    """A table of a page: its rows of cells, the header first."""

    cells: list[list[Piece]]


def join_lines(lines: list[str]) -> str:
    """Lines of one paragraph or cell; a BREAK swallows the space."""
    return " ".join(lines).replace(f"{BREAK} ", BREAK)


def ruled_tables(words: list[Word], rulings: list[Box]) -> tuple[list[Table], list[Word]]:
    """Tables drawn with level and upright rulings, and the words outside of them."""
    tables = []
    for levels, uprights in _meshes(rulings):
        tops, lefts = _edges([line.top for line in levels]), _edges([line.left for line in uprights])
        if len(tops) < 3 or len(lefts) < 3:
            continue
        frame = Box(lefts[0], tops[0], lefts[-1], tops[-1])
        inside = [word for word in words if frame.holds(word, slack=1.0)]
        if len(tops) <= 4:
            tops = _parted(inside, tops, lefts)
        pieces = _pieces(tops, lefts, levels, uprights)
        cells = _filled(pieces, inside, tops, lefts)
        if _is_table(cells):
            tables.append(Table(frame.left, frame.top, frame.right, frame.bottom, cells))
            taken = set(map(id, inside))
            words = [word for word in words if id(word) not in taken]
    return tables, words


def _meshes(rulings: list[Box]) -> list[tuple[list[Box], list[Box]]]:
    """Level and upright rulings that hang together."""
    levels = _merged([line for line in rulings if line.height <= THIN and line.width >= SHORTEST], level=True)
    uprights = _merged([line for line in rulings if line.width <= THIN and line.height >= SHORTEST], level=False)
    meshes: list[tuple[list[Box], list[Box]]] = []
    for upright in uprights:
        met = [line for line in levels if _meet(line, upright)]
        joined = [mesh for mesh in meshes if any(line in mesh[0] for line in met)]
        mesh = ([line for part in joined for line in part[0]], [line for part in joined for line in part[1]])
        mesh[0].extend(line for line in met if line not in mesh[0])
        mesh[1].append(upright)
        meshes = [part for part in meshes if part not in joined] + [mesh]
    return [mesh for mesh in meshes if len(mesh[0]) >= 2 and len(mesh[1]) >= 2]


def _meet(level: Box, upright: Box) -> bool:
    return (
        level.left - TOUCH <= upright.left <= level.right + TOUCH
        and upright.top - TOUCH <= level.top <= upright.bottom + TOUCH
    )


def _merged(lines: list[Box], *, level: bool) -> list[Box]:
    """Rulings on one line that touch, as one."""
    found: list[Box] = []
    for line in sorted(lines, key=lambda box: (round(box.top), box.left) if level else (round(box.left), box.top)):
        last = found[-1] if found else None
        if last is not None and _touch(last, line, level=level):
            found[-1] = bounds([last, line])
        else:
            found.append(line)
    return found


def _touch(last: Box, line: Box, *, level: bool) -> bool:
    if level:
        return abs(last.top - line.top) <= 1.5 and last.left - TOUCH <= line.right and line.left <= last.right + TOUCH
    return abs(last.left - line.left) <= 1.5 and last.top - TOUCH <= line.bottom and line.top <= last.bottom + TOUCH


def _edges(places: list[float]) -> list[float]:
    edges: list[float] = []
    for place in sorted(places):
        if not edges or place - edges[-1] > TOUCH:
            edges.append(place)
    return edges


def _pieces(tops: list[float], lefts: list[float], levels: list[Box], uprights: list[Box]) -> list[list[int]]:
    """A number for each field of the mesh; fields with no ruling between them share one."""
    width, height = len(lefts) - 1, len(tops) - 1
    numbers = [[row * width + column for column in range(width)] for row in range(height)]
    for row in range(height):
        middle = (tops[row] + tops[row + 1]) / 2
        for column in range(width - 1):
            edge = lefts[column + 1]
            is_closed = any(abs(line.left - edge) <= TOUCH and line.top <= middle <= line.bottom for line in uprights)
            if not is_closed:
                numbers[row][column + 1] = numbers[row][column]
    inner = {round(line.top) for line in levels}
    for row in range(height - 1):
        if not any(abs(top - tops[row + 1]) <= TOUCH for top in inner):
            continue
        for column in range(width):
            middle, edge = (lefts[column] + lefts[column + 1]) / 2, tops[row + 1]
            is_closed = any(abs(line.top - edge) <= TOUCH and line.left <= middle <= line.right for line in levels)
            if not is_closed:
                numbers[row + 1][column] = numbers[row][column]
    distinct = len({number for line in numbers for number in line})
    if distinct < 0.6 * width * height:
        return [[row * width + column for column in range(width)] for row in range(height)]
    return numbers


def _filled(numbers: list[list[int]], words: list[Word], tops: list[float], lefts: list[float]) -> list[list[Piece]]:
    held: dict[int, list[Word]] = {}
    for word in words:
        row = _field(tops, (word.top + word.bottom) / 2)
        column = _field(lefts, (word.left + word.right) / 2)
        held.setdefault(numbers[row][column], []).append(word)
    pieces = {number: Piece(_cell_text(held.get(number, []))) for line in numbers for number in line}
    return [[pieces[number] for number in line] for line in numbers]


def _field(edges: list[float], place: float) -> int:
    inner = sum(1 for edge in edges[1:-1] if place > edge)
    return min(inner, len(edges) - 2)


def _cell_text(words: list[Word]) -> str:
    return join_lines([row.text for row in find_rows(find_segments(words))]) if words else ""


def _parted(words: list[Word], tops: list[float], lefts: list[float]) -> list[float]:
    """More edges where one field of a mesh holds several rows of a table."""
    columns = list(pairwise(lefts))
    more: list[float] = []
    for top, bottom in pairwise(tops):
        rows = find_rows(find_segments([word for word in words if top < (word.top + word.bottom) / 2 <= bottom]))
        groups = _logical_rows(rows, columns) if len(rows) >= FEWEST_ROWS else []
        several = sum(1 for group in groups if _cells_used(group, columns) >= 2)
        if len(groups) >= FEWEST_ROWS and several >= 0.8 * len(groups):
            more += [(above[-1].bottom + below[0].top) / 2 for above, below in pairwise(groups)]
    return sorted([*tops, *more])


def _cells_used(rows: list[Row], columns: list[Interval]) -> int:
    return len({_column_of(columns, segment) for row in rows for segment in row.segments})


def _is_table(cells: list[list[Piece]]) -> bool:
    """Whether enough fields of a mesh hold text; the grids of drawings do not."""
    distinct = {id(piece): piece for row in cells for piece in row}
    filled = sum(1 for piece in distinct.values() if piece.text)
    columns = sum(1 for column in zip(*cells, strict=True) if any(piece.text for piece in column))
    return filled >= 3 and filled >= 0.3 * len(distinct) and columns >= 2


def aligned_tables(rows: list[Row]) -> list[tuple[int, int, Table]]:
    """(first row, last row, table) of every table without rulings in one column of a page."""
    found, number = [], 0
    while number < len(rows):
        last = _run(rows, number) if len(rows[number].segments) >= 2 else number
        run = rows[number : last + 1]
        columns = _columns(run)
        if _is_aligned(run, columns):
            around = bounds([segment for row in run for segment in row.segments])
            cells = [_cells(group, columns) for group in _logical_rows(run, columns)]
            found.append((number, last, Table(around.left, around.top, around.right, around.bottom, cells)))
            number = last
        number += 1
    return found


def _run(rows: list[Row], start: int) -> int:
    """The last row that goes on with the columns that begin at `start`."""
    last, most, widest = start, len(rows[start].segments), 0.0
    columns = _columns(rows[start : start + 1])
    for number in range(start + 1, min(len(rows), start + MOST_ROWS)):
        row, above = rows[number], rows[number - 1]
        if row.top - above.bottom > 2.0 * above.height or row.style.size > 1.25 * above.style.size:
            break
        if len(row.segments) == 1:
            if not _continues(row, above, columns):
                break
        else:
            merged = _merged_spans([*columns, *((part.left, part.right) for part in row.segments)])
            if len(merged) < 2 or len(merged) < 0.6 * most:
                break
            # Text behind the table: farther away, or of another size, and not in its columns.
            is_apart = row.top - above.bottom > widest + 2 or abs(row.style.size - above.style.size) >= 0.5
            if number - start >= FEWEST_ROWS and is_apart and len(merged) != len(columns):
                break
            columns, most = merged, max(most, len(row.segments))
        last, widest = number, max(widest, row.top - above.bottom)
    return last


def _continues(row: Row, above: Row, columns: list[Interval]) -> bool:
    """Whether a row with one segment is the next line of a cell above."""
    segment = row.segments[0]
    left, right = columns[_column_of(columns, segment)]
    is_inside = segment.left >= left - TOUCH and segment.right <= right + 2 * TOUCH
    return is_inside and row.top - above.bottom <= 0.6 * above.height


def _columns(rows: list[Row]) -> list[Interval]:
    """Where the segments stand: stretches that no segment crosses, of the rows that have several."""
    return _merged_spans([(part.left, part.right) for row in rows if len(row.segments) >= 2 for part in row.segments])


def _merged_spans(spans: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for left, right in sorted(spans):
        if merged and left < merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged


def _column_of(columns: list[Interval], segment: Segment) -> int:
    """The column that shares most with the segment, else the nearest."""
    return max(
        range(len(columns)),
        key=lambda place: min(columns[place][1], segment.right) - max(columns[place][0], segment.left),
    )


def _is_aligned(rows: list[Row], columns: list[Interval]) -> bool:
    several = [row for row in rows if len(row.segments) >= 2]
    if len(several) < FEWEST_ROWS or len(columns) < 2:
        return False
    if sum(1 for row in several if LEADERS.search(row.text)) >= 0.3 * len(several):
        return False
    if all(MARKER.fullmatch(row.segments[0].text) for row in several):
        return False
    members: list[list[Segment]] = [[] for _ in columns]
    for row in several:
        for segment in row.segments:
            members[_column_of(columns, segment)].append(segment)
    if min(map(len, members)) < 0.4 * len(several) or not all(_stand_in_line(column) for column in members):
        return False
    # A justified line above the table has wide spaces as well, but not in the table's columns.
    first = [segment for segment in rows[0].segments if _stands_with(segment, members[_column_of(columns, segment)])]
    return 2 * len(first) > len(rows[0].segments)


def _stand_in_line(segments: list[Segment]) -> bool:
    """Whether most segments share their left edge; short ones may share their right edge or middle instead."""
    ways = [[segment.left for segment in segments]]
    # The right edges of prose are level as well.
    if median(len(segment.text) for segment in segments) <= SHORT:
        ways.append([segment.right for segment in segments])
        ways.append([(segment.left + segment.right) / 2 for segment in segments])
    return any(sum(1 for place in way if abs(place - median(way)) <= TOUCH) >= 0.6 * len(way) for way in ways)


def _stands_with(segment: Segment, column: list[Segment]) -> bool:
    """Whether a cell shares its left edge, right edge or middle with most of its column."""
    others = [other for other in column if other is not segment]
    left, right = median(other.left for other in others), median(other.right for other in others)
    ways = (segment.left - left, segment.right - right, (segment.left + segment.right - left - right) / 2)
    return min(map(abs, ways)) <= TOUCH


def _logical_rows(rows: list[Row], columns: list[Interval]) -> list[list[Row]]:
    """Lines that make one row of the table: cells may hold several lines."""
    gaps = [max(0.0, below.top - above.bottom) for above, below in pairwise(rows)]
    narrow, wide = (min(gaps), max(gaps)) if gaps else (0.0, 0.0)
    has_two_gaps = wide > 1.5 * narrow + 2.0
    groups = [[rows[0]]]
    for gap, row in zip(gaps, rows[1:], strict=True):
        starts = _column_of(columns, row.segments[0]) == 0
        is_new = gap > (narrow + wide) / 2 if has_two_gaps else starts
        if is_new or (starts and len(row.segments) == len(columns)):
            groups.append([row])
        else:
            groups[-1].append(row)
    return groups


def _cells(rows: list[Row], columns: list[Interval]) -> list[Piece]:
    lines: list[list[str]] = [[] for _ in columns]
    for row in rows:
        for segment in row.segments:
            lines[_column_of(columns, segment)].append(segment.text)
    return [Piece(join_lines(cell)) for cell in lines]
