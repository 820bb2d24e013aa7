"""Manual pages in man(7) or mdoc(7) macros: sections are headings, options are items, examples are code."""

import re
from collections.abc import Iterator

from luthier.collect.readers.man_macros import KNOWN, ManPage
from luthier.collect.readers.man_writer import ManWriter
from luthier.collect.readers.mdoc_macros import MdocPage
from luthier.collect.readers.roff import Request, Roff
from luthier.collect.readers.verbatim import read_text
from luthier.collect.reading import SkippedError, Source, UnreadableError
from luthier.records import Document

INCLUDED = re.compile(r"(?:[.'](?:\\\"|[ \t]*$).*\s+)*[.']so[ \t]+(\S+)\s*(?:[.'](?:\\\"|[ \t]*$).*\s*)*")
MDOC = re.compile(r"^[.'][ \t]*Dd\b", re.MULTILINE)
MAN = re.compile(r"^[.'][ \t]*(?:TH|SH)\b", re.MULTILINE)


def read(source: Source) -> Iterator[Document]:
    """The one document of a manual page. Its title is its name with its section, as in `ls(1)`.

    SkippedError for a page that only points to another; UnreadableError for roff of another kind.
    """
    text = read_text(source)
    if included := INCLUDED.fullmatch(text):
        raise SkippedError(f"only points to {included.group(1)}")
    is_mdoc = MDOC.search(text) is not None
    if not is_mdoc and not MAN.search(text):
        raise UnreadableError("holds no macros of manual pages: neither .TH and .SH nor .Dd")
    writer = ManWriter()
    page = MdocPage(writer, file=source.name) if is_mdoc else ManPage(writer, file=source.name)
    for line in Roff(known=frozenset() if is_mdoc else KNOWN).read(text):
        if isinstance(line, Request):
            page.request(line)
        else:
            page.text(line)
    page.close()
    writer.fill()
    writer.end()
    yield writer.draft.document(source, kind="man", title=page.title, meta=page.meta)
