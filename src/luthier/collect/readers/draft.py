"""A document while it is written: its text, and everything that points into the text."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, islice

from luthier.artifacts.canonical import sha256_of_file
from luthier.collect.coverage import compare, guarded_page
from luthier.collect.readers.pipes import Piece, lay_out, pipe_table, typed_cells
from luthier.collect.reading import Source
from luthier.records import Cell, Document, Grid, Page

INVISIBLE = re.compile(
    "[\u200b\u2060-\u2064\u206a-\u206f\ufeff\u180e\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)
"""Characters without a glyph that can carry a message: zero-width, direction, tag, and runs of variation selectors.

The joiners U+200C and U+200D shape letters and stay.
"""
INVISIBLE_CUT = "invisible characters"
RAISED = re.compile(r"[+\-\N{MINUS SIGN}]?\d+|[a-z]")
DEEPEST = 6


class Draft:
    """Blocks of a document in reading order. Blocks are written as Markdown and parted by a blank line."""

    def __init__(self) -> None:
        self.headings: list[tuple[int, int, str]] = []
        self.anchors: list[tuple[int, str]] = []
        self.grids: list[Grid] = []
        self.code_spans: list[tuple[int, int]] = []
        self.inserted: list[str] = []
        """Words that the source does not hold at that place: list numbers, copies that fill merged cells."""
        self.cut: Counter[str] = Counter()
        """What was left out on purpose -> characters."""
        self._pieces: list[str] = []
        self._length = 0
        self._place: str | None = None

    @property
    def text(self) -> str:
        """All that was written so far."""
        return "".join(self._pieces)

    def place(self, name: str) -> None:
        """The next block and those behind it stand at `name`."""
        self._place = name

    def paragraph(self, text: str, *, gap: str = "\n\n") -> None:
        """Write a block as it is; `gap` parts it from the block before. Blank text is no block."""
        self._write(text.strip("\n"), gap=gap)

    def heading(self, text: str, *, level: int) -> None:
        """Write a heading of a level from 1."""
        level, name = min(max(level, 1), DEEPEST), " ".join(self._visible(text).split())
        if name:
            self.headings.append((self._write(f"{'#' * level} {name}"), level, name))

    def code(self, text: str, *, language: str = "") -> None:
        """Write a fenced block of code."""
        body = text.strip("\n")
        if not body.strip():
            return
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
        start = self._write(f"{fence}{language}\n{body}\n{fence}")
        self.inserted.append(language)
        self.code_spans.append((start, self._length))

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        at: str,
        typed: Sequence[Sequence[Cell]] = (),
        places: Sequence[str] = (),
    ) -> None:
        """Write a pipe table and keep its grid.

        `typed` are the values behind the written cells, where known; `places` names where each row stands.
        """
        titles = [" ".join(self._visible(cell).split()) for cell in header]
        written = [[self._visible(cell) for cell in row] for row in rows]
        table = pipe_table(titles, written)
        start = self._write(table)
        line_starts = accumulate((len(line) + 1 for line in table.split("\n")), initial=start)
        self.anchors += zip(islice(line_starts, 2, None), places, strict=False)
        values = tuple(map(tuple, typed)) or typed_cells(written)
        self.grids.append(Grid(at=at, start=start, end=self._length, header=tuple(titles), rows=values))

    def cells(
        self,
        grid: Sequence[Sequence[Piece]],
        *,
        at: str,
        header_rows: int = 1,
        is_typed: bool = False,
        places: Sequence[str] = (),
    ) -> None:
        """Write a grid of pieces as a table, spans filled; a single cell becomes a paragraph.

        `is_typed`: the pieces know their values; `places` names where each row of the grid stands.
        """
        layout = lay_out(grid, header_rows=header_rows)
        for caption in layout.captions:
            self.paragraph(caption)
        if len(layout.header) == 1 and not layout.rows:
            self.paragraph(layout.header[0])
        elif layout.header:
            self.table(
                layout.header,
                [[piece.text for piece in row] for row in layout.rows],
                at=at,
                typed=[[piece.value for piece in row] for row in layout.rows] if is_typed else (),
                places=[places[number] for number in layout.numbers] if places else (),
            )
            self.inserted += layout.copies

    def append(self, part: "Draft") -> None:
        """Write everything of another draft behind this one."""
        self.cut.update(part.cut)
        self.inserted += part.inserted
        if not part.text:
            return
        if part.anchors and part.anchors[0][0] == 0:
            self._place = None
        shift = self._write(part.text)
        self.headings += [(offset + shift, level, name) for offset, level, name in part.headings]
        self.anchors += [(offset + shift, place) for offset, place in part.anchors]
        self.code_spans += [(start + shift, end + shift) for start, end in part.code_spans]
        self.grids += [replace(grid, start=grid.start + shift, end=grid.end + shift) for grid in part.grids]

    def document(
        self,
        source: Source,
        *,
        kind: str,
        title: str = "",
        pages: Sequence[Page] = (),
        meta: dict[str, str] | None = None,
    ) -> Document:
        """The finished document. Without a title its first heading, else the file's name is the title."""
        first = self.headings[0][2] if self.headings else source.stem
        return Document(
            id=sha256_of_file(source.path),
            file=source.name,
            kind=kind,
            title=" ".join(title.split()) or first,
            text=self.text,
            headings=tuple(self.headings),
            meta=meta or {},
            anchors=tuple(self.anchors),
            grids=tuple(self.grids),
            code=tuple(self.code_spans),
            pages=tuple(pages),
            cut=dict(sorted(self.cut.items())),
        )

    def _write(self, text: str, *, gap: str = "\n\n") -> int:
        text = self._visible(text)
        if not text.strip():
            return self._length
        if self._pieces:
            self._push(gap)
        start = self._length
        if self._place is not None:
            self.anchors.append((start, self._place))
            self._place = None
        self._push(text)
        return start

    def _push(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _visible(self, text: str) -> str:
        kept = INVISIBLE.sub("", text)
        if len(kept) < len(text):
            self.cut[INVISIBLE_CUT] += len(text) - len(kept)
        return kept


def raised(text: str) -> str:
    """Superscript text: powers get their sign (10^6), ordinals and marks stay as they are (1st)."""
    return f"^{text}" if RAISED.fullmatch(text.strip()) else text


def guarded(part: Draft, reference: str, *, place: str) -> tuple[Draft, Page]:
    """The draft and the record of its page; a draft that lost or added words gives way to its plain reference.

    `reference` holds what a faithful reading must hold: without what was cut on purpose.
    """
    reference = INVISIBLE.sub("", reference)
    coverage = compare(reference, part.text, inserted=part.inserted)
    if coverage.holds:
        return part, guarded_page(place, coverage)
    plain = Draft()
    plain.cut = part.cut
    if part.anchors:
        plain.place(part.anchors[0][1])
    plain.paragraph(reference)
    return plain, guarded_page(place, coverage)
