"""Word documents: body order, headings by style, lists with their numbers, tables, footnotes and text boxes.

Insertions stay; deletions, comments, hidden text and page headers are left out and counted.
"""

from collections.abc import Iterator

from luthier.collect.readers.docx_lists import BULLET, read_numbering
from luthier.collect.readers.docx_styles import read_styles
from luthier.collect.readers.docx_text import inline, prune, reference_text
from luthier.collect.readers.draft import Draft, guarded
from luthier.collect.readers.drawings import DRAWINGS, write_drawing
from luthier.collect.readers.office_xml import (
    COMMENTS,
    Element,
    Parts,
    W,
    characters_of,
    core_title,
    value_at,
    whole_number,
)
from luthier.collect.readers.packages import open_package
from luthier.collect.readers.pipes import Piece
from luthier.collect.reading import Source, unreadable_on
from luthier.records import Document

FURNITURE = "page headers and footers"
TEXTS = (f"{W}t",)
NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes"}
MOST_COLUMNS = 63
"""Word's own limit."""
INDENT = "  "


def read(source: Source) -> Iterator[Document]:
    """The one document of a Word file (.docx, .docm, .dotx)."""
    with open_package(source.path) as package, unreadable_on(RecursionError, problem="nested too deeply"):
        parts = Parts(package)
        main = parts.main()
        draft = Draft()
        roots = {kind: _pruned(parts, name, draft) for kind, name in _text_parts(parts, main)}
        _count_omitted(parts, main, draft)
        walk = Walk(draft, parts=parts, main=main, roots=roots)
        walk.blocks(roots["document"])
        walk.close()
        reference = "\n".join(reference_text(root) for root in roots.values())
        kept, page = guarded(draft, reference, place="")
        title = walk.title or ("" if draft.headings else core_title(parts))
        yield kept.document(source, kind="docx", title=title, pages=[page])


class Walk:
    """One pass over the body, in order."""

    def __init__(self, draft: Draft, *, parts: Parts, main: str, roots: dict[str, Element]) -> None:
        self.title = ""
        self._draft, self._parts, self._main = draft, parts, main
        self._styles = read_styles(_tree(parts, main, "styles"))
        self._numbering = read_numbering(_tree(parts, main, "numbering"))
        self._notes = {kind: _notes(root) for kind, root in roots.items() if kind != "document"}
        self._cited: dict[Element, int] = {}
        """Note -> its number."""
        self._waiting: list[Element] = []
        """Text boxes, charts and notes that follow the block they hang on."""
        self._code: list[str] = []
        self._was_item = False

    def blocks(self, parent: Element) -> None:
        """Write the paragraphs and tables below an element, through all wrappers."""
        for child in parent:
            if child.tag == f"{W}p":
                self._paragraph(child)
            elif child.tag == f"{W}tbl":
                self._table(child)
            elif child.tag != f"{W}sectPr":
                self.blocks(child)

    def close(self) -> None:
        """Write what still waits: the last code, and notes that nobody cites."""
        self._flush_code()
        for note in [note for notes in self._notes.values() for note in notes.values()]:
            if note not in self._cited:
                self.blocks(note)
        self._flush_code()

    def _paragraph(self, paragraph: Element) -> None:
        style = self._styles.of(paragraph)
        text = self._text(paragraph)
        label, depth = self._label(paragraph, style.numbering) if text.strip() else ("", 0)
        if style.is_code(paragraph) and text.strip() and not label:
            self._code.append(text)
            return
        if text.strip():
            self._flush_code()
        if style.level:
            self._heading(f"{label} {text}" if label != BULLET else text, level=style.level, is_title=style.is_title)
        elif label:
            item = text.strip().replace("\n", f"\n{INDENT * depth}{' ' * (len(label) + 1)}")
            self._draft.paragraph(f"{INDENT * depth}{label} {item}", gap="\n" if self._was_item else "\n\n")
        else:
            self._draft.paragraph(text.strip())
        if text.strip():
            self._was_item = bool(label) and not style.level
        self._write_waiting()

    def _heading(self, text: str, *, level: int, is_title: bool) -> None:
        if is_title and not self.title:
            self.title = text.strip()
        self._draft.heading(text, level=level)

    def _label(self, paragraph: Element, from_style: tuple[str, int] | None) -> tuple[str, int]:
        number = paragraph.find(f"{W}pPr/{W}numPr")
        place = from_style
        if number is not None:
            inherited, inherited_depth = from_style or ("0", 0)
            depth = whole_number(value_at(number, "ilvl"), otherwise=inherited_depth)
            place = (value_at(number, "numId") or inherited, depth)
        if place is None or place[0] == "0":
            return "", 0
        label = self._numbering.label(*place)
        if label not in {"", BULLET}:
            self._draft.inserted.append(label)
        return label, place[1]

    def _text(self, paragraph: Element) -> str:
        return "".join(map(self._piece, inline(paragraph)))

    def _piece(self, piece: str | Element) -> str:
        if isinstance(piece, str):
            return piece
        if piece.tag not in NOTES:
            self._waiting.append(piece)
            return ""
        note = self._notes.get(NOTES[piece.tag], {}).get(piece.get(f"{W}id"))
        if note is None:
            return ""
        if note not in self._cited:
            self._cited[note] = len(self._cited) + 1
            self._waiting.append(note)
        mark = f"[^{self._cited[note]}]"
        self._draft.inserted.append(mark)
        return mark

    def _write_waiting(self) -> None:
        while self._waiting:
            element = self._waiting.pop(0)
            if element in self._cited:
                mark = f"[^{self._cited[element]}]"
                text = " ".join(self._text(paragraph).strip() for paragraph in element.iter(f"{W}p"))
                self._draft.paragraph(f"{mark}: {text.strip()}")
                self._draft.inserted.append(mark)
            elif element.tag in DRAWINGS:
                write_drawing(self._draft, element, parts=self._parts, owner=self._main, at="")
            else:
                self.blocks(element)
                self._flush_code()

    def _flush_code(self) -> None:
        lines, self._code = self._code, []
        self._draft.code("\n".join(lines))
        self._was_item = self._was_item and not lines

    def _table(self, table: Element) -> None:
        self._flush_code()
        rows = list(_below(table, f"{W}tr"))
        cells = [list(_below(row, f"{W}tc")) for row in rows]
        if len(rows) == 1 and len(cells[0]) == 1:
            self.blocks(cells[0][0])
            return
        grid: list[list[Piece]] = []
        for row, row_cells in zip(rows, cells, strict=True):
            grid.append(self._row(row, row_cells, grid[-1] if grid else []))
        headers = [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows]
        header_rows = max(1, headers.index(False)) if False in headers else 1
        self._draft.cells(grid, at="", header_rows=header_rows)
        self._was_item = False
        self._write_waiting()

    def _row(self, row: Element, cells: list[Element], above: list[Piece]) -> list[Piece]:
        places = [Piece()] * _span(row, "trPr/gridBefore", otherwise=0)
        for cell in cells:
            merge = cell.find(f"{W}tcPr/{W}vMerge")
            piece = Piece(self._cell_text(cell))
            continues = merge is not None and merge.get(f"{W}val") != "restart"
            if continues and not piece.text and len(places) < len(above):
                piece = above[len(places)]
            places += [piece] * _span(cell, "tcPr/gridSpan", otherwise=1)
        return places

    def _cell_text(self, cell: Element) -> str:
        texts = []
        for paragraph in cell.iter(f"{W}p"):
            # Text boxes in a cell follow the table.
            if next(paragraph.iterancestors(f"{W}txbxContent", f"{W}tc")).tag == f"{W}tc":
                texts.append(self._text(paragraph).strip())
        return "\n".join(text for text in texts if text)


def _below(parent: Element, tag: str) -> Iterator[Element]:
    """Rows of a table or cells of a row, through content controls but not into inner tables."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag not in {f"{W}tbl", f"{W}tr", f"{W}tc"}:
            yield from _below(child, tag)


def _span(element: Element, path: str, *, otherwise: int) -> int:
    return min(max(whole_number(value_at(element, path), otherwise=otherwise), otherwise), MOST_COLUMNS)


def _text_parts(parts: Parts, main: str) -> Iterator[tuple[str, str]]:
    yield "document", main
    for kind in NOTES.values():
        yield from ((kind, name) for name in parts.related(main, kind)[:1])


def _pruned(parts: Parts, name: str, draft: Draft) -> Element:
    root = parts.tree(name)
    for note in list(root.iter(f"{W}footnote", f"{W}endnote")):
        # Separators are notes of a type; they hold a line, no text.
        if note.get(f"{W}type") not in {None, "normal"}:
            note.getparent().remove(note)
    prune(root, draft.cut)
    return root


def _notes(root: Element) -> dict[str, Element]:
    return {note.get(f"{W}id"): note for note in root.iter(f"{W}footnote", f"{W}endnote")}


def _count_omitted(parts: Parts, main: str, draft: Draft) -> None:
    for reason, kinds in ((COMMENTS, ("comments",)), (FURNITURE, ("header", "footer"))):
        names = [name for kind in kinds for name in parts.related(main, kind)]
        characters = sum(characters_of(parts.tree(name), TEXTS) for name in names)
        if characters:
            draft.cut[reason] += characters


def _tree(parts: Parts, main: str, kind: str) -> Element | None:
    names = parts.related(main, kind)
    return parts.tree(names[0]) if names else None
