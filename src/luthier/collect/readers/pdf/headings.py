"""Headings: lines that bookmarks name, or that stand out by size, weight and number."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.collect.readers.pdf.blocks import Block
from luthier.collect.readers.pdf.boxes import BREAK, Style

MOST_ROWS = 3
LONGEST = 200
LARGER = 1.1
"""Times the size of the body."""
DEEPEST = 6
NUMBER = re.compile(
    r"(?:(?:chapter|section|part|appendix|kapitel|abschnitt)\s+)?(\d{1,3}(?:\.\d{1,3})*|[A-Z](?:\.\d{1,3})+)\.?\s+\S",
    re.I,
)
CAPTION = re.compile(r"(?:fig(?:ure|\.)?|table|abb(?:ildung|\.)?|tab(?:elle|\.)?|listing)\s*[\dA-Z]+", re.IGNORECASE)
CLOSED = re.compile(r"[.,;:]$")
LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One entry of the file's outline; `page` and `level` from 1."""

    page: int
    level: int
    title: str


def body_style(blocks: Sequence[Block]) -> Style:
    """The style of most characters."""
    lengths: Counter[Style] = Counter()
    for block in blocks:
        if block.kind != "table":
            lengths[block.style] += len(block.text)
    return max(lengths, key=lambda style: (lengths[style], style.size)) if lengths else Style(10.0)


def mark_headings(pages: Sequence[Sequence[Block]], bookmarks: Sequence[Bookmark]) -> None:
    """Give every heading its level: the bookmark's, else by the rank of its style and the depth of its number."""
    everything = [block for blocks in pages for block in blocks]
    body = body_style(everything)
    known = _bookmarked(pages, bookmarks)
    found = [block for block in everything if id(block) in known or _stands_out(block, body)]
    levels = _levels_of_styles(found, known)
    shallowest: dict[Style, int] = {}
    for block in found:
        depth = _depth(block.text)
        if depth and id(block) not in known:
            shallowest[_look(block)] = min(depth, shallowest.get(_look(block), depth))
    for block in found:
        depth, look = _depth(block.text), _look(block)
        deeper = depth - shallowest[look] if depth and look in shallowest else 0
        block.level = known.get(id(block)) or min(DEEPEST, levels[look] + deeper)


def _look(block: Block) -> Style:
    return Style(block.style.size, bold=block.style.bold)


def _stands_out(block: Block, body: Style) -> bool:
    text = block.text
    if block.kind not in {"text", "numbered"} or block.rows > MOST_ROWS or len(text) > LONGEST:
        return False
    if len(LETTERS.findall(text)) < 2 or text.endswith(BREAK) or CLOSED.search(text):
        return False
    if block.style.size >= LARGER * body.size:
        return True
    is_bold = block.style.bold and not body.bold and block.style.size >= 0.9 * body.size
    return is_bold and block.rows <= 2 and not CAPTION.match(text)


def _depth(text: str) -> int:
    """How many parts the number in front has: 2 for `3.2 Pumps`, 0 without a number."""
    number = NUMBER.match(text)
    return number[1].count(".") + 1 if number else 0


def _levels_of_styles(found: Sequence[Block], known: dict[int, int]) -> dict[Style, int]:
    """Level of each style: what bookmarks say of it, else one deeper than the next larger style."""
    votes: dict[Style, Counter[int]] = defaultdict(Counter)
    uses: Counter[Style] = Counter()
    for block in found:
        uses[_look(block)] += 1
        if id(block) in known:
            votes[_look(block)][known[id(block)]] += 1
    levels, level, above = {}, 0, 0
    for look in sorted(uses, key=lambda style: (-style.size, not style.bold)):
        if votes[look]:
            level = votes[look].most_common(1)[0][0]
        elif level == 0 or above > 1:
            level += 1
        # A style that occurs once, as on a cover, makes what follows no deeper.
        above = uses[look]
        levels[look] = max(1, min(level, DEEPEST))
    return levels


def _bookmarked(pages: Sequence[Sequence[Block]], bookmarks: Sequence[Bookmark]) -> dict[int, int]:
    """Id of a block -> level of the bookmark that names it."""
    known: dict[int, int] = {}
    for mark in bookmarks:
        names = _names(mark.title)
        for page in (mark.page, mark.page + 1, mark.page - 1):
            blocks = pages[page - 1] if 1 <= page <= len(pages) else []
            block = next((one for one in blocks if id(one) not in known and _is_named(one, names)), None)
            if block is not None:
                known[id(block)] = min(mark.level, DEEPEST)
                break
    return known


def _is_named(block: Block, names: set[str]) -> bool:
    if block.kind not in {"text", "numbered"} or block.rows > MOST_ROWS or len(block.text) > LONGEST:
        return False
    return bool(names & _names(block.text))


def _names(title: str) -> set[str]:
    """A title as letters and digits, with and without the number in front."""
    number = NUMBER.match(title)
    forms = [title, title[number.end(1) :]] if number else [title]
    return {form for form in ("".join(filter(str.isalnum, text.casefold())) for text in forms) if len(form) > 1}
