"""One pass over a pruned page: headings, paragraphs, lists, definitions, quotes, code and tables, in order."""

import re
from dataclasses import dataclass

from lxml import etree

from luthier.collect.readers.docx_lists import written_number
from luthier.collect.readers.draft import Draft
from luthier.collect.readers.html_table import grid_of, header_rows, is_layout, rows_of
from luthier.collect.readers.html_text import BLOCK_TAGS, HEADINGS, LEAVES, Element, code_text, flat_text, folded

LIST_STYLES = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
CODE_TAGS = frozenset({"pre", "listing", "xmp", "plaintext"})
LIST_TAGS = frozenset({"ul", "ol", "menu", "dir"})
ITEM_TAGS = frozenset({"li", "dd", "blockquote"})
LANGUAGE = re.compile(r"(?:language-|lang-|highlight-|brush:)(\w+)")


@dataclass(slots=True)
class Listing:
    """A list that is being written."""

    style: str | None
    """How its numbers look, None for bullets."""
    number: int
    gap: str
    """What parts the next item from the block before."""


class Walk:
    """Writes the blocks of an element into a draft. It walks without recursion: pages nest deeper than Python may."""

    def __init__(self, draft: Draft, *, place: str) -> None:
        self._draft, self._place = draft, place
        self._line: list[str] = []
        """Inline text that waits for the end of its block."""
        self._indents = [""]
        self._lists: list[Listing] = []
        self._mark = ""
        """What stands before the next block instead of the last part of its indent: `- `."""
        self._gap = "\n\n"

    def body(self, body: Element) -> None:
        """Write an element and everything in it."""
        events = etree.iterwalk(body, events=("start", "end"))
        for event, element in events:
            if event == "start":
                if self._open(element):
                    events.skip_subtree()
            else:
                self._close(element)
                self._line.append((element.tail or "") if element is not body else "")
        self._flush()

    def _open(self, element: Element) -> bool:
        """Begin an element; True if all of it is written already."""
        tag = element.tag
        if tag in LEAVES:
            self._line.append(LEAVES[tag](element))
            return True
        if tag in BLOCK_TAGS:
            self._flush()
        if tag in HEADINGS or tag in CODE_TAGS or tag == "table":
            # They stand at the margin, without the mark of a list.
            self._mark, self._gap = "", "\n\n"
            if self._write_whole(element):
                return True
        elif tag in LIST_TAGS:
            self._lists.append(_listing(element, gap="\n\n" if len(self._indents) == 1 else "\n"))
        elif tag in ITEM_TAGS:
            self._begin_item(element)
        self._line.append(element.text or "")
        return False

    def _close(self, element: Element) -> None:
        if element.tag in BLOCK_TAGS:
            self._flush()
        if element.tag in LIST_TAGS:
            self._lists.pop()
        elif element.tag in ITEM_TAGS:
            self._indents.pop()
            self._mark, self._gap = "", "\n\n"

    def _write_whole(self, element: Element) -> bool:
        if element.tag in HEADINGS:
            self._draft.heading(flat_text(element), level=int(element.tag[1]))
        elif element.tag in CODE_TAGS:
            names = " ".join(one.get("class") or "" for one in element.iter()).split()
            found = next((match for match in map(LANGUAGE.fullmatch, names) if match), None)
            self._draft.code(code_text(element), language=found.group(1) if found else "")
        elif is_layout(element):
            return False
        else:
            self._table(element)
        return True

    def _begin_item(self, element: Element) -> None:
        if element.tag == "blockquote":
            self._mark, self._gap = "> ", "\n\n"
        elif element.tag == "dd" or not self._lists:
            self._mark, self._gap = (": ", "\n") if element.tag == "dd" else ("- ", "\n")
        else:
            listing = self._lists[-1]
            value = element.get("value") or ""
            listing.number = int(value) if value.isdecimal() else listing.number
            self._mark = "- " if listing.style is None else f"{written_number(listing.number, listing.style)}. "
            self._gap = listing.gap
            listing.number, listing.gap = listing.number + 1, "\n"
        self._indents.append(self._indents[-1] + " " * len(self._mark))

    def _table(self, element: Element) -> None:
        rows = rows_of(element)
        for caption in element.iterchildren("caption"):
            self._draft.paragraph(flat_text(caption))
        # Text beside the cells is misplaced, but it is text.
        for holder in [element, *element.iterchildren("thead", "tbody", "tfoot"), *rows]:
            self._line += [text for text in (holder.text, *(child.tail for child in holder)) if text]
        self._flush()
        self._draft.cells(grid_of(rows), at=self._place, header_rows=header_rows(rows))

    def _flush(self) -> None:
        text = folded("".join(self._line))
        self._line.clear()
        if not text:
            return
        inner = self._indents[-1]
        if self._mark.strip(" .").isalnum():
            self._draft.inserted.append(self._mark)
        start = f"{inner[: len(inner) - len(self._mark)]}{self._mark}" if self._mark else inner
        self._draft.paragraph(start + text.replace("\n", f"\n{inner}"), gap=self._gap)
        self._mark, self._gap = "", "\n\n"


def _listing(element: Element, *, gap: str) -> Listing:
    start = element.get("start") or ""
    style = LIST_STYLES.get(element.get("type") or "", "decimal") if element.tag == "ol" else None
    return Listing(style=style, number=int(start) if start.isdecimal() else 1, gap=gap)
