"""Writes the blocks of XML prose in order: DocBook and JATS names are known, others are told by where text is."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from luthier.collect.readers.draft import Draft, raised
from luthier.collect.readers.xml_tables import local, table_rows

NAMES = {
    "section": "book part chapter preface appendix article section sect1 sect2 sect3 sect4 sect5 simplesect refentry "
    "refsect1 refsect2 refsect3 refsection reference refsynopsisdiv glossary bibliography abstract acknowledgements "
    "dedication colophon topic set sec ack app ref-list trans-abstract qandaset qandadiv",
    "about": "info bookinfo articleinfo chapterinfo sectioninfo title-group article-meta refmeta front back body",
    "title": "title article-title refentrytitle",
    "code": "programlisting screen literallayout synopsis cmdsynopsis funcsynopsis classsynopsis preformat",
    "list": "itemizedlist orderedlist simplelist procedure substeps list calloutlist ul ol",
    "terms": "variablelist glosslist def-list dl",
    "table": "table informaltable table-wrap",
    "block": "p para simpara formalpara disp-quote blockquote note tip warning caution important figure informalfigure "
    "example fig listitem def item",
    "note": "footnote fn",
    "record": "contrib aff author editor copyright pub-date ref mixed-citation element-citation biblioentry revision",
    "dropped": "indexterm remark processing-meta",
    "raised": "superscript sup",
}
"""What elements are in DocBook and JATS; a record's parts make one line."""
ROLES = {name: role for role, names in NAMES.items() for name in names.split()}
OUTSTANDING = frozenset({"code", "list", "terms", "table", "block"})
"""What stands by itself even in the middle of a paragraph."""
NUMBERED = frozenset({"orderedlist", "procedure", "substeps", "ol"})
TERMS = frozenset({"term", "glossterm", "dt"})


def role_of(element: Element) -> str:
    """What an element is in DocBook or JATS; empty if that is not known."""
    return ROLES.get(local(element), "")


def words_of(element: Element) -> str:
    """All text that counts below an element; parts are set apart unless they stand within running text."""
    return "".join(_pieces(element))


def has_text(element: Element) -> bool:
    """True if the element holds text of its own, not only elements."""
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


class Walk:
    """Writes elements into a draft; tables stand at `file, table N`."""

    def __init__(self, draft: Draft, *, file: str) -> None:
        self._draft = draft
        self._file = file
        self._tables = 0

    def block(self, element: Element, *, level: int, above: str = "section") -> None:
        """Write one element, whose titles have a level from 1; `above` is the role of its parent."""
        role = role_of(element)
        if role == "code":
            self._draft.code("".join(element.itertext()), language=element.get("language") or "")
        elif role == "list":
            self._list(element, level)
        elif role == "terms":
            self._terms(element, level)
        elif role == "table":
            self._table(element, level)
        elif role == "title" and above in {"section", "about"}:
            self._draft.heading(words_of(element), level=level)
        elif role in {"record", "title"} or has_text(element):
            self._paragraph(element, level)
        elif role != "dropped":
            self._inside(element, level)

    def _inside(self, element: Element, level: int) -> None:
        was_leaf = False
        for child in element:
            role = role_of(child)
            is_leaf = not role and not len(child)
            if is_leaf:
                self._draft.paragraph(_folded(words_of(child)), gap="\n" if was_leaf else "\n\n")
            else:
                self.block(child, level=level + (role == "section"), above=role_of(element))
            was_leaf = is_leaf

    def _paragraph(self, element: Element, level: int) -> None:
        """Running text; what stands by itself parts it, notes follow it."""
        running: list[str] = []
        notes: list[Element] = []

        def flow(node: Element) -> None:
            is_record = not has_text(node)
            running.append(node.text or "")
            for child in node:
                role = role_of(child)
                if role == "note":
                    notes.append(child)
                elif role in OUTSTANDING:
                    self._draft.paragraph(_folded("".join(running)))
                    running.clear()
                    self.block(child, level=level, above=role_of(element))
                elif role == "raised":
                    running.append(raised(words_of(child)))
                elif role != "dropped":
                    running.append(" " if is_record else "")
                    flow(child)
                running.append(child.tail or "")

        flow(element)
        self._draft.paragraph(_folded("".join(running)))
        for note in notes:
            self._inside(note, level) if not has_text(note) else self._paragraph(note, level)

    def _list(self, element: Element, level: int) -> None:
        is_numbered = local(element) in NUMBERED or element.get("list-type") == "order"
        number = 0
        for child in element:
            if local(child) in {"title", "caption", "label"}:
                self._paragraph(child, level)
                continue
            number += 1
            self._item(child, f"{number}. " if is_numbered else "- ", level, is_first=number == 1)

    def _terms(self, element: Element, level: int) -> None:
        for entry in element if local(element) != "dl" else [element]:
            is_first = True
            for child in entry:
                if local(child) in TERMS:
                    self._draft.paragraph(_folded(words_of(child)), gap="\n\n" if is_first else "\n")
                elif role_of(child) != "dropped":
                    self._item(child, ": ", level, is_first=False)
                is_first = local(child) not in TERMS

    def _item(self, element: Element, mark: str, level: int, *, is_first: bool) -> None:
        """One item behind its mark; one that holds code or tables is written without indentation."""
        part = Draft()
        walk = Walk(part, file=self._file)
        walk._tables = self._tables
        if has_text(element):
            walk._paragraph(element, level)
        else:
            walk._inside(element, level)
        self._tables = walk._tables
        if part.code_spans or part.grids or not part.text:
            self._draft.append(part)
            return
        self._draft.inserted += [mark, *part.inserted]
        self._draft.cut.update(part.cut)
        text = re.sub(r"\n(?!\n)", "\n" + " " * len(mark), part.text)
        self._draft.paragraph(mark + text, gap="\n\n" if is_first else "\n")

    def _table(self, element: Element, level: int) -> None:
        """A table behind its title and caption."""
        for child in element:
            if local(child) in {"table", "alternatives"}:
                self._table(child, level)
            elif role_of(child) == "title" or local(child) in {"caption", "label", "table-wrap-foot"}:
                self._inside(child, level) if not has_text(child) else self._paragraph(child, level)
        if local(element) in {"table-wrap", "alternatives"}:
            return
        rows, titles, repeated = table_rows(element, text_of=words_of)
        if rows:
            self._draft.inserted += repeated
            titles = min(max(1, titles), len(rows))
            width = max(map(len, rows))
            header = [" ".join(row[place] for row in rows[:titles] if place < len(row)) for place in range(width)]
            self._tables += 1
            self._draft.table(header, rows[titles:], at=f"{self._file}, table {self._tables}")


def _folded(text: str) -> str:
    return " ".join(text.split())


def _pieces(element: Element) -> Iterator[str]:
    role = role_of(element)
    if role == "raised":
        yield raised("".join(element.itertext()))
        return
    is_apart = not has_text(element)
    yield element.text or ""
    for child in element:
        if role_of(child) != "dropped":
            yield " " if is_apart or role_of(child) in OUTSTANDING or role_of(child) == "note" else ""
            yield from _pieces(child)
            yield " " if is_apart or role_of(child) in OUTSTANDING or role_of(child) == "note" else ""
        yield child.tail or ""
