"""PDF: columns, headings, tables, code and pages from the text layer; scanned pages are listed, not read."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pypdfium2 as pdfium2
import pypdfium2.raw as pdfium

from luthier.collect.readers.pdf.furniture import find_furniture
from luthier.collect.readers.pdf.headings import Bookmark, mark_headings
from luthier.collect.readers.pdf.leaf import Leaf, arrange, read_leaf
from luthier.collect.readers.pdf.references import is_cyclic
from luthier.collect.readers.pdf.writing import write
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

MOST_PAGES = 2_000
MOST_BOOKMARKS = 20_000
ENCRYPTED = {
    pdfium.FPDF_ERR_PASSWORD: "needs a password; save it again without one",
    pdfium.FPDF_ERR_SECURITY: "encrypted in a way that cannot be read; save it again without encryption",
}
NO_TITLE = re.compile(r"^microsoft \w+ - |^untitled|\.(?:docx?|pptx?|xlsx?|tex|dvi|indd|qxd|pdf|ps)$", re.IGNORECASE)


def read(source: Source, *, most_pages: int = MOST_PAGES) -> Iterator[Document]:
    """The one document of a PDF file, of at most `most_pages` pages. Raises UnreadableError if it is damaged or locked.

    `meta` tells of pages beyond the limit, of text that was recognised in pictures, and of attached files.
    """
    if is_cyclic(source.path):
        raise UnreadableError("damaged PDF file: its cross-reference tables point back at each other")
    try:
        file = pdfium2.PdfDocument(source.path)
    except pdfium2.PdfiumError as error:
        raise UnreadableError(ENCRYPTED.get(error.err_code, "damaged PDF file: pdfium cannot open it")) from error
    with file:
        count = len(file)
        if count == 0:
            raise UnreadableError("damaged PDF file: it has no pages")
        has_form = file.get_formtype() != pdfium.FORMTYPE_NONE
        leaves = [read_leaf(file, number, has_form=has_form) for number in range(1, min(count, most_pages) + 1)]
        bookmarks = _bookmarks(file)
        title = file.get_metadata_value("Title")
        attached = file.count_attachments()
    _cut_furniture(leaves)
    arrange(leaves)
    mark_headings([leaf.blocks for leaf in leaves], bookmarks)
    draft, pages = write(leaves)
    recognised = sum(leaf.is_recognised for leaf in leaves)
    notes = {
        "partial": f"{most_pages:,} of {count:,} pages" if count > most_pages else "",
        "recognised text": f"{recognised:,} pages" if recognised else "",
        "attached files": f"{attached:,}, not read" if attached else "",
    }
    yield draft.document(
        source,
        kind="pdf",
        title="" if NO_TITLE.search(title.strip()) else title,
        pages=pages,
        meta={name: note for name, note in notes.items() if note},
    )


def _bookmarks(file: pdfium2.PdfDocument) -> list[Bookmark]:
    found = []
    for mark in islice(file.get_toc(), MOST_BOOKMARKS):
        target = mark.get_dest()
        page = target.get_index() if target is not None else None
        if page is not None:
            found.append(Bookmark(page=page + 1, level=mark.level + 1, title=mark.get_title()))
    return found


def _cut_furniture(leaves: list[Leaf]) -> None:
    sizes: Counter[float] = Counter()
    for leaf in leaves:
        for segment in leaf.segments:
            sizes[segment.style.size] += len(segment.text)
    body = max(sizes, key=lambda size: (sizes[size], size), default=10.0)
    heights = [leaf.height for leaf in leaves]
    main = find_furniture([leaf.segments for leaf in leaves], heights, body=body)
    turned = find_furniture([leaf.turned for leaf in leaves], [0.0] * len(leaves), body=body)
    for leaf, cut, cut_turned in zip(leaves, main, turned, strict=True):
        leaf.furniture = [leaf.segments[place].text for place in sorted(cut)]
        leaf.furniture += [leaf.turned[place].text for place in sorted(cut_turned)]
        leaf.segments = [segment for place, segment in enumerate(leaf.segments) if place not in cut]
        leaf.turned = [segment for place, segment in enumerate(leaf.turned) if place not in cut_turned]
