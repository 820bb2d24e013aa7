"""One page on its way from its text layer to blocks in reading order."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import pypdfium2 as pdfium2
import pypdfium2.raw as pdfium

from luthier.collect.readers.pdf.blocks import Block, find_blocks
from luthier.collect.readers.pdf.boxes import BREAK, Segment
from luthier.collect.readers.pdf.columns import place_tables, reading_order
from luthier.collect.readers.pdf.layer import Layer, read_layer
from luthier.collect.readers.pdf.lines import find_rows, find_segments
from luthier.collect.readers.pdf.tables import Table, ruled_tables

FEWEST_CHARACTERS = 20
MOST_PICTURE = 0.5
MOST_BAD = 0.05


@dataclass(slots=True)
class Leaf:
    """A page: what pdfium says of it, and what became of that."""

    number: int
    reference: str = ""
    plain: str = ""
    """The reference without hidden words."""
    height: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    turned: list[Segment] = field(default_factory=list)
    """Words that are not upright when most are."""
    tables: list[Table] = field(default_factory=list)
    hidden: str = ""
    furniture: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    problem: Literal["scanned", "bad text layer"] | None = None
    picture_share: float = 0.0
    is_recognised: bool = False


def read_leaf(file: pdfium2.PdfDocument, number: int, *, has_form: bool) -> Leaf:
    """Page `number`, from 1, as segments and ruled tables. A page that pdfium cannot load has a bad text layer."""
    try:
        page = file[number - 1]
        if has_form:
            # Values of form fields are no text of the page until they are drawn onto it.
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            page.close()
            page = file[number - 1]
        layer = read_layer(page)
        page.close()
    except pdfium2.PdfiumError:
        return Leaf(number, problem="bad text layer")
    return _leaf(number, layer)


def _leaf(number: int, layer: Layer) -> Leaf:
    words = layer.views[0] if layer.views else []
    tables, rest = ruled_tables(words, layer.rulings)
    leaf = Leaf(
        number=number,
        reference=layer.reference,
        plain=layer.reference,
        height=layer.height,
        segments=find_segments(rest),
        turned=[segment for view in layer.views[1:] for segment in find_segments(view)],
        tables=tables,
        hidden=" ".join(layer.hidden),
        picture_share=layer.picture_share,
        problem="bad text layer" if layer.bad_share > MOST_BAD else None,
        is_recognised=layer.is_recognised,
    )
    if layer.hidden:
        leaf.plain = "\n".join(segment.text for view in layer.views for segment in find_segments(view))
    return leaf


def arrange(leaves: list[Leaf]) -> None:
    """Give every page its blocks, or find that it was scanned."""
    mono: Counter[bool] = Counter()
    for leaf in leaves:
        for segment in leaf.segments:
            mono[segment.style.mono] += len(segment.text)
    body_is_mono = mono[True] > mono[False]
    for leaf in leaves:
        leaf.problem = leaf.problem or ("scanned" if _is_scanned(leaf) else None)
        if leaf.problem is None:
            leaf.blocks = _blocks(leaf, body_is_mono=body_is_mono)
        leaf.segments, leaf.turned, leaf.tables = [], [], []


def _is_scanned(leaf: Leaf) -> bool:
    pieces = [piece.text for table in leaf.tables for row in table.cells for piece in row]
    texts = [segment.text for segment in [*leaf.segments, *leaf.turned]] + pieces
    return leaf.picture_share > MOST_PICTURE and sum(len(text.replace(" ", "")) for text in texts) < FEWEST_CHARACTERS


def _blocks(leaf: Leaf, *, body_is_mono: bool) -> list[Block]:
    columns = place_tables(reading_order(leaf.segments, obstacles=[*leaf.tables]), leaf.tables)
    columns += [[*find_rows(leaf.turned)]] if leaf.turned else []
    blocks = [block for column in columns for block in find_blocks(column, body_is_mono=body_is_mono)]
    return [block for block in blocks if block.table is not None or block.text.strip(f"{BREAK} \n")]
