"""HTML: the visible content as Markdown, with tables and code; navigation and hidden text out and counted.

The structure is read from the page's own tree: main-text extractors drop headings and code of technical manuals.
"""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree
from lxml.html import HTMLParser, document_fromstring

from luthier.collect.readers.draft import Draft, guarded
from luthier.collect.readers.html_prune import flat, prune
from luthier.collect.readers.html_text import flat_text
from luthier.collect.readers.html_walk import Walk
from luthier.collect.reading import Source, UnreadableError, unreadable_on
from luthier.records import Document, Page

CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
HEAD_BYTES = 2_048
DEEPEST = 2_048


def read(source: Source) -> Iterator[Document]:
    """The one document of a page; empty text if the page holds none."""
    draft, page, title = read_page(_decoded(source), place="")
    yield draft.document(source, kind="html", title=title, pages=[page])


def read_page(text: str, *, place: str) -> tuple[Draft, Page, str]:
    """Draft, record and title of one page of HTML. Raises UnreadableError if it is nested too deeply."""
    draft = Draft()
    if place:
        draft.place(place)
    tree = _tree(text)
    if tree is None:
        return *guarded(draft, "", place=place), ""
    named = tree.find(".//title")
    title = flat(named) if named is not None else ""
    body = tree.find("body")
    content = tree if body is None else body
    with unreadable_on(RecursionError, problem="nested too deeply"):
        prune(tree, draft.cut)
        Walk(draft, place=place).body(content)
        top = [name for _, level, name in draft.headings if level == 1]
        return *guarded(draft, flat_text(content), place=place), top[0] if len(top) == 1 else title


def _tree(text: str) -> Any | None:
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        tree = document_fromstring(text.encode("utf-8", errors="replace"), parser=parser)
    except etree.ParserError:
        return None
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
        raise UnreadableError(f"nested more than {DEEPEST:,} levels deep")
    return tree


def _decoded(source: Source) -> str:
    content = source.path.read_bytes()
    encoding = source.encoding or "utf-8"
    declared = CHARSET.search(content[:HEAD_BYTES])
    if not encoding.startswith("utf") and declared is not None:
        encoding = declared.group(1).decode("ascii")
    with unreadable_on(UnicodeDecodeError, LookupError, problem="text that its declared encoding does not fit"):
        return content.decode(encoding)
