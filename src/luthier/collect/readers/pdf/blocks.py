"""Rows of a column to blocks: paragraphs, list items, code and tables."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from luthier.collect.readers.pdf.boxes import BREAK, Style
from luthier.collect.readers.pdf.lines import Row
from luthier.collect.readers.pdf.tables import Table, aligned_tables, join_lines

BULLET = re.compile(r"[•●▪▫◦‣∙○■□➢➤✓·*–—-]\s+(?=\S)")
NUMBERED = re.compile(r"[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivx]{2,5})[.)\]]\s+\S")
LEADERS = re.compile(r"(?:[.·_]\s?){4,}|…{2,}")
PAGE_NUMBER = re.compile(r"\d{1,4}|[ivxlc]{1,7}")
SENTENCE_END = re.compile(r"[.!?:;。！？][\"'”’)\]]*$")
UNSPACED = re.compile("[\u3005-\u30ff\u3400-\u9fff\uff01-\uff60]")
UNSPACED_LINES = re.compile(
    "(?<=[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60]) (?=[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60])"
)
WIDEST_PITCH = 2.0
"""Times the font size; lines farther apart are no lines of one paragraph."""
Kind = Literal["text", "item", "numbered", "entry", "code", "table"]
"""`item`: with a bullet; `numbered`: with a number, which may be a heading's; `entry`: of a table of contents."""


@dataclass(slots=True)
class Block:
    """A part of a page in reading order."""

    kind: Kind
    text: str
    """With a BREAK for each hyphen at the end of a line. Empty for tables."""
    style: Style
    rows: int = 1
    table: Table | None = None
    opens_column: bool = False
    level: int | None = None
    """Level from 1 if the block is a heading."""


def find_blocks(column: Sequence[Row | Table], *, body_is_mono: bool) -> list[Block]:
    """The blocks of one column, the tables in their places."""
    blocks: list[Block] = []
    for is_table, parts in groupby(column, key=lambda part: isinstance(part, Table)):
        if is_table:
            blocks += [Block("table", "", Style(0.0), table=part) for part in parts if isinstance(part, Table)]
        else:
            blocks += _rows_to_blocks([part for part in parts if isinstance(part, Row)], body_is_mono=body_is_mono)
    if blocks:
        blocks[0].opens_column = True
    return blocks


def _rows_to_blocks(rows: list[Row], *, body_is_mono: bool) -> list[Block]:
    blocks: list[Block] = []
    done = 0
    for first, last, table in _tables(rows, body_is_mono=body_is_mono):
        blocks += _prose(rows[done:first], body_is_mono=body_is_mono)
        blocks.append(Block("table", "", rows[first].style, table=table))
        done = last + 1
    return [*blocks, *_prose(rows[done:], body_is_mono=body_is_mono)]


def _tables(rows: list[Row], *, body_is_mono: bool) -> list[tuple[int, int, Table]]:
    if sum(1 for row in rows if len(row.segments) >= 2) < 2:
        return []
    found = aligned_tables(rows)
    if body_is_mono:
        return found
    return [part for part in found if not all(row.style.mono for row in rows[part[0] : part[1] + 1])]


def _prose(rows: list[Row], *, body_is_mono: bool) -> list[Block]:
    if not rows:
        return []
    pitch = _pitch(rows)
    edges = (min(row.left for row in rows), max(row.right for row in rows))
    groups = [[rows[0]]]
    for above, row in pairwise(rows):
        if _begins_block(groups[-1], above, row, pitch=pitch, edges=edges):
            groups.append([])
        groups[-1].append(row)
    return _join_code([(_block(group, edges=edges, body_is_mono=body_is_mono), group) for group in groups])


def _pitch(rows: list[Row]) -> float:
    """From one line to the next in the column's paragraphs, in font sizes."""
    steps = Counter(
        round((row.bottom - above.bottom) / row.style.size, 1)
        for above, row in pairwise(rows)
        if abs(row.style.size - above.style.size) <= 0.5
        and 0 < row.bottom - above.bottom <= WIDEST_PITCH * row.style.size
    )
    return min(steps, key=lambda step: (-steps[step], step), default=1.3)


def _begins_block(group: list[Row], above: Row, row: Row, *, pitch: float, edges: tuple[float, float]) -> bool:
    size = row.style.size
    if _is_entry(above, edges) or _is_entry(row, edges):
        return True
    if max(size, above.style.size) > 1.08 * min(size, above.style.size):
        return True
    if row.bottom - above.bottom > (1.25 * pitch + 0.05) * size or row.bottom <= above.top:
        return True
    left, right = edges
    was_full = above.right >= right - 0.1 * (right - left)
    if row.style.bold != above.style.bold and not (above.style.bold and was_full and len(group) == 1):
        return True
    if row.style.mono:
        # A line of code that fills a gap in a paragraph is prose.
        return not group[0].style.mono and not (was_full and abs(row.left - left) < size)
    if group[0].style.mono:
        return True
    text = row.text
    if BULLET.match(text) or NUMBERED.match(text):
        return True
    indent = row.left - above.left
    if 0.8 * size < indent < 5 * size and above.left <= left + size and not _is_item(group[0]):
        return True
    if indent < -0.8 * size and (len(group) > 1 or _is_item(group[0])):
        return True
    is_short = above.right < right - 0.25 * (right - left)
    return is_short and bool(SENTENCE_END.search(above.text))


def _is_entry(row: Row, edges: tuple[float, float]) -> bool:
    """Whether a row is a line of a table of contents: dots or room, then a page number at the edge."""
    if LEADERS.search(row.text):
        return True
    last = row.segments[-1]
    return len(row.segments) > 1 and last.right >= edges[1] - 2 and PAGE_NUMBER.fullmatch(last.text) is not None


def _is_item(row: Row) -> bool:
    return bool(BULLET.match(row.text) or NUMBERED.match(row.text))


def _block(rows: list[Row], *, edges: tuple[float, float], body_is_mono: bool) -> Block:
    style = max(rows, key=lambda row: len(row.text)).style
    style = Style(style.size, bold=all(row.style.bold for row in rows), mono=all(row.style.mono for row in rows))
    if style.mono and not body_is_mono:
        return Block("code", _code(rows), style, rows=len(rows))
    text = join_lines([row.text for row in rows])
    if UNSPACED.search(text):
        text = UNSPACED_LINES.sub("", text)
    if LEADERS.search(text) or (len(rows) == 1 and _is_entry(rows[0], edges)):
        return Block("entry", LEADERS.sub(" ... ", text).replace("  ", " "), style)
    bullet = BULLET.match(text)
    if bullet:
        return Block("item", f"- {text[bullet.end() :]}", style, rows=len(rows))
    return Block("numbered" if NUMBERED.match(text) else "text", text, style, rows=len(rows))


def _code(rows: list[Row]) -> str:
    """Lines of code with their indents and gaps as spaces."""
    widths = [part.width / len(part.text) for row in rows for part in row.segments if len(part.text) > 1]
    width = sorted(widths)[len(widths) // 2] if widths else 0.6 * rows[0].style.size
    left = min(row.left for row in rows)
    lines: list[str] = []
    for number, row in enumerate(rows):
        line = ""
        for part in row.segments:
            column = round((part.left - left) / max(width, 1.0))
            line += " " * max(column - len(line), 1 if line else 0) + part.text.replace(BREAK, "-")
        is_apart = number > 0 and row.top - rows[number - 1].bottom > 0.8 * row.height
        lines += ["", line] if is_apart else [line]
    return "\n".join(lines)


def _join_code(parts: list[tuple[Block, list[Row]]]) -> list[Block]:
    """Join code that only blank lines part."""
    joined: list[tuple[Block, list[Row]]] = []
    for block, rows in parts:
        last, above = joined[-1] if joined else (block, rows)
        if joined and last.kind == block.kind == "code" and rows[0].top - above[-1].bottom <= 2.5 * rows[0].height:
            above += rows
            last.text, last.rows = _code(above), len(above)
        else:
            joined.append((block, rows))
    return [block for block, _ in joined]
