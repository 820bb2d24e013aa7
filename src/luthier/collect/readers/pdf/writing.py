"""Blocks to a document: hyphens settled, pages guarded, paragraphs joined across pages."""

import re
from collections.abc import Iterable
from itertools import zip_longest

from luthier.collect.coverage import compare, guarded_page
from luthier.collect.readers.draft import Draft
from luthier.collect.readers.pdf.blocks import SENTENCE_END, Block
from luthier.collect.readers.pdf.boxes import BREAK, Style
from luthier.collect.readers.pdf.hyphens import Hyphens
from luthier.collect.readers.pdf.leaf import Leaf
from luthier.collect.readers.pipes import Piece
from luthier.records import Page

HIDDEN = "hidden text"
FURNITURE = "running headers and footers"
LAST_WORD = re.compile(r"(\w*)$")
FIRST_WORD = re.compile(r"^\w*")


def write(leaves: list[Leaf]) -> tuple[Draft, list[Page]]:
    """The document's text and the record of each of its pages."""
    pages = [_guard(leaf) for leaf in leaves]
    hyphens = Hyphens(_texts(leaves))
    draft = Draft()
    placed = [(leaf.number, block) for leaf in leaves for block in leaf.blocks]
    for leaf in leaves:
        draft.cut.update({name: count for name, count in _cut(leaf).items() if count})
    page, gap, tables = 0, "\n\n", 0
    following = [block for _, block in placed[1:]]
    for (number, block), after in zip_longest(placed, following):
        if number != page:
            draft.place(f"page {number}")
            page, tables = number, 0
        if block.table is not None:
            tables += 1
            _write_table(draft, block, hyphens, at=f"page {number} table {tables}")
        elif block.kind == "code":
            draft.code(block.text)
        elif block.level is not None:
            draft.heading(hyphens.settle(block.text), level=block.level)
        else:
            text, next_gap = _joined(block, after, hyphens)
            draft.paragraph(text, gap=gap)
            gap = next_gap
            continue
        gap = "\n\n"
    return draft, pages


def _guard(leaf: Leaf) -> Page:
    """Compare a page with its text layer; if words were lost or added, its blocks give way to plain text."""
    place = f"page {leaf.number}"
    if leaf.problem is not None:
        lost = compare(leaf.reference, "", removed=[leaf.hidden, *leaf.furniture]).lost
        return Page(place, leaf.problem, coverage=0.0, lost=lost)
    trial = Draft()
    for block in leaf.blocks:
        if block.table is not None:
            trial.cells(block.table.cells, at=place)
        else:
            trial.paragraph(block.text)
    coverage = compare(leaf.reference, trial.text, removed=[leaf.hidden, *leaf.furniture], inserted=trial.inserted)
    if not coverage.holds:
        leaf.blocks = [Block("text", leaf.plain, Style(0.0), opens_column=True)]
        leaf.furniture = []
    return guarded_page(place, coverage)


def _cut(leaf: Leaf) -> dict[str, int]:
    return {HIDDEN: len(leaf.hidden), FURNITURE: sum(map(len, leaf.furniture))}


def _texts(leaves: list[Leaf]) -> Iterable[str]:
    for leaf in leaves:
        for block in leaf.blocks:
            yield block.text
            if block.table is not None:
                yield from (piece.text for row in block.table.cells for piece in row)


def _write_table(draft: Draft, block: Block, hyphens: Hyphens, *, at: str) -> None:
    assert block.table is not None
    settled: dict[int, Piece] = {}
    for row in block.table.cells:
        for piece in row:
            settled.setdefault(id(piece), Piece(hyphens.settle(piece.text)))
    draft.cells([[settled[id(piece)] for piece in row] for row in block.table.cells], at=at)


def _joined(block: Block, after: Block | None, hyphens: Hyphens) -> tuple[str, str]:
    """The block's text, and what parts it from the block after it."""
    if after is None or not _continues(block, after):
        are_items = after is not None and block.kind == after.kind != "text" and after.level is None
        return hyphens.settle(block.text), "\n" if are_items else "\n\n"
    if not block.text.endswith(BREAK):
        return hyphens.settle(block.text), " "
    text = block.text[: -len(BREAK)]
    left, right = LAST_WORD.search(text), FIRST_WORD.match(after.text)
    assert left is not None
    assert right is not None
    return hyphens.settle(text) + hyphens.between(left[0], right[0]), ""


def _continues(block: Block, after: Block) -> bool:
    """Whether a paragraph goes on in the next column or on the next page."""
    if after.kind != "text" or after.level is not None or not after.opens_column:
        return False
    if block.style.size != after.style.size or SENTENCE_END.search(block.text):
        return False
    return after.text[:1].islower()
