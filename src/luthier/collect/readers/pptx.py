"""Presentations: each slide under its title, shapes in reading order, tables and charts, notes in their own section.

Hidden slides, hidden shapes, comments, slide numbers, dates and footers are left out and counted.
"""

from collections.abc import Iterator

from luthier.collect.readers.draft import Draft, guarded
from luthier.collect.readers.drawings import DRAWINGS, paragraph_text, run_text, write_drawing
from luthier.collect.readers.office_xml import (
    COMMENTS,
    A,
    Element,
    M,
    P,
    Parts,
    R,
    characters_of,
    core_title,
    keep_one_alternative,
)
from luthier.collect.readers.packages import open_package
from luthier.collect.readers.pptx_shapes import TEXTS, TITLE_KINDS, Geometry, kind_of, length, prune, shapes_of
from luthier.collect.readers.pptx_text import write_paragraphs, write_table
from luthier.collect.reading import Source, UnreadableError, unreadable_on
from luthier.records import Document, Page

HIDDEN_SLIDES = "hidden slides"
NOTES = "Notes"
LEAST_CHARACTERS, MOST_PICTURES = 20, 0.5
"""A slide with fewer characters and more of it under pictures is a scan: its text is in the picture."""


def read(source: Source) -> Iterator[Document]:
    """The one document of a presentation (.pptx, .pptm, .potx, .ppsx)."""
    with open_package(source.path) as package, unreadable_on(RecursionError, problem="nested too deeply"):
        parts = Parts(package)
        main = parts.main()
        presentation = parts.tree(main)
        extent = presentation.find(f"{P}sldSz")
        size = length(extent, "cx"), length(extent, "cy")
        whole, pages = Draft(), []
        for number, slide_id in enumerate(presentation.iter(f"{P}sldId"), start=1):
            name = parts.target(main, slide_id.get(f"{R}id"))
            if name is None:
                raise UnreadableError(f"slide {number} is missing; the file may be damaged")
            slide = Slide(parts, name, number=number, size=size)
            if slide.is_hidden:
                whole.cut[HIDDEN_SLIDES] += characters_of(slide.tree, TEXTS)
                continue
            part, page = slide.read()
            whole.append(part)
            pages.append(page)
        title = "" if whole.headings else core_title(parts)
        yield whole.document(source, kind="pptx", title=title, pages=pages)


class Slide:
    """One slide and its notes."""

    def __init__(self, parts: Parts, name: str, *, number: int, size: tuple[int, int]) -> None:
        self.tree = parts.tree(name)
        self._parts, self._name, self._number = parts, name, number
        self._geometry = Geometry(parts, name, size=size)

    @property
    def is_hidden(self) -> bool:
        """True if the slide is left out when the presentation is shown."""
        return self.tree.get("show") in {"0", "false"}

    def read(self) -> tuple[Draft, Page]:
        """The slide's draft and record."""
        draft, place = Draft(), f"slide {self._number}"
        draft.place(place)
        keep_one_alternative(self.tree, texts=TEXTS)
        shape_tree = _shape_tree(self.tree)
        prune(shape_tree, self._geometry, draft.cut)
        shapes = list(shapes_of(shape_tree))
        titles = [shape for shape in shapes if kind_of(shape) in TITLE_KINDS]
        title = " ".join(paragraph_text(one) for shape in titles for one in shape.iter(f"{A}p")).strip()
        body = Draft()
        self._write(body, [shape for shape in shapes if shape not in titles])
        notes = self._notes(draft)
        if title or body.text or notes:
            draft.heading(title or f"Slide {self._number}", level=1)
            draft.inserted += [] if title else [f"Slide {self._number}"]
        draft.append(body)
        if notes:
            draft.heading(NOTES, level=2)
            draft.inserted.append(NOTES)
            for shape in notes:
                write_paragraphs(draft, shape, is_list=False)
        self._count_comments(draft)
        reference = "\n".join([_reference(shape_tree), *map(_reference, notes)])
        part, page = guarded(draft, reference, place=place)
        is_scan = len("".join(reference.split())) < LEAST_CHARACTERS
        if is_scan and self._geometry.picture_share(shape_tree) > MOST_PICTURES:
            page = Page(place=place, state="scanned", coverage=page.coverage, lost=page.lost)
        return part, page

    def _write(self, draft: Draft, shapes: list[Element]) -> None:
        for shape in self._geometry.in_reading_order(shapes):
            if shape.tag == f"{P}grpSp":
                self._write(draft, list(shapes_of(shape)))
            elif shape.tag == f"{P}graphicFrame":
                self._write_graphic(draft, shape, at=f"slide {self._number}")
            else:
                write_paragraphs(draft, shape, is_list=kind_of(shape) in {"body", "obj"})

    def _write_graphic(self, draft: Draft, frame: Element, *, at: str) -> None:
        for table in frame.iter(f"{A}tbl"):
            write_table(draft, table, at=at)
        for drawing in frame.iter(*DRAWINGS):
            write_drawing(draft, drawing, parts=self._parts, owner=self._name, at=at)

    def _notes(self, draft: Draft) -> list[Element]:
        """The shapes that hold notes; the slide's picture and number beside them are no text of theirs."""
        names = self._parts.related(self._name, "notesSlide")[:1]
        trees = [_shape_tree(self._parts.tree(name)) for name in names]
        for tree in trees:
            prune(tree, Geometry(self._parts, self._name, size=(0, 0)), draft.cut)
        shapes = [shape for tree in trees for shape in shapes_of(tree)]
        return [shape for shape in shapes if _reference(shape).strip()]

    def _count_comments(self, draft: Draft) -> None:
        for name in self._parts.related(self._name, "comments"):
            if characters := len("".join("".join(self._parts.tree(name).itertext()).split())):
                draft.cut[COMMENTS] += characters


def _shape_tree(root: Element) -> Element:
    return next(root.iter(f"{P}spTree"), root)


def _reference(tree: Element) -> str:
    """Every text run below an element, paragraphs on their own lines."""
    pieces: list[str] = []
    for paragraph in tree.iter(f"{A}p"):
        for one in paragraph.iter(f"{A}t", f"{A}br", f"{M}t"):
            pieces.append(run_text(one) if one.tag == f"{A}t" else f" {one.text or ''} ")
        pieces.append("\n")
    return "".join(pieces)
