"""What prepare works on before rows are cut: examples of row files, and documents with the way back to their bytes."""

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from luthier.prepare.chunk import ByteOffsets, cut
from luthier.prepare.clean.offsets import Copy, OffsetMap
from luthier.records import Document, Example, Origin, Span, Text


@dataclass(frozen=True, slots=True)
class Rooted:
    """A document as it reads now, and where its characters stood in the text that was extracted."""

    document: Document
    extracted: str
    offsets: OffsetMap | None = None
    """None: nothing was changed."""

    def after(self, text: str, offsets: OffsetMap) -> "Rooted":
        """The document with an edited text; headings, tables, code and anchors move along."""
        old = self.document
        at = offsets.cleaned_offset
        headings = tuple((at(offset), level, title) for offset, level, title in old.headings)
        grids = (dataclasses.replace(grid, start=at(grid.start), end=at(grid.end)) for grid in old.grids)
        document = dataclasses.replace(
            old,
            text=text,
            headings=headings,
            anchors=tuple((at(offset), place) for offset, place in old.anchors),
            grids=tuple(grid for grid in grids if grid.start < grid.end),
            code=tuple((at(start), at(end)) for start, end in old.code if at(start) < at(end)),
        )
        return Rooted(document, self.extracted, offsets if self.offsets is None else offsets.after(self.offsets))

    def texts(self) -> list[Text]:
        """One text per chunk; its span is of the extracted text."""
        document = self.document
        raw = document.text.encode()
        sizes = ByteOffsets(document.text)
        starts = [sizes.at(offset) for offset, _ in document.anchors]
        line, counted = 1, 0
        in_bytes = None if self.offsets is None else self.offsets.in_bytes(document.text, self.extracted)
        texts = []
        for chunk in cut(document):
            start, end = chunk.span.start, chunk.span.end
            anchor = bisect_right(starts, start) - 1
            line += raw.count(b"\n", counted, start)
            counted = start
            if in_bytes is not None:
                start, end = in_bytes.source_span(start, end)
            at = f"{document.file}:{line}" if anchor < 0 else f"{document.file} {document.anchors[anchor][1]}"
            columns = {**document.meta, "title": document.title, "heading": " > ".join(chunk.path)}
            columns |= {} if document.thread is None else {"thread": document.thread}
            spans = (Span(document.id, start, end),)
            texts.append(Text(text=chunk.text, origin=Origin(at=at, file=document.file, columns=columns, spans=spans)))
        return texts


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that is on its way to becoming rows."""

    rows: list[Example]
    documents: list[Rooted]


def text_of_document(document: Document) -> Text:
    """A document as one text, for the list of what was left out."""
    span = Span(document.id, 0, len(document.text.encode()))
    return Text(text=document.text, origin=Origin(at=document.file, file=document.file, spans=(span,)))


def offsets_of(edits: Iterable[tuple[int, int, str]], *, length: int) -> OffsetMap:
    """The map of replacements (start, end, replacement), ascending, in a text of `length` characters."""
    copies: list[Copy] = []
    cleaned = source = 0
    for start, end, replacement in edits:
        copies.append((cleaned, source, start - source))
        cleaned += start - source + len(replacement)
        source = end
    copies.append((cleaned, source, length - source))
    return OffsetMap(tuple(copy for copy in copies if copy[2]), cleaned=cleaned + length - source, source=length)
