"""HTML: the main text as Markdown, navigation and other furniture out."""

import re
from collections.abc import Iterator

import trafilatura

from luthier.artifacts.canonical import sha256_of_file
from luthier.collect.readers.markdown import find_headings
from luthier.collect.reading import Source, unreadable_on
from luthier.records import Document

CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
HEAD_BYTES = 2_048


def read(source: Source) -> Iterator[Document]:
    """The one document of a page; empty text if the page holds none."""
    page = _page(source)
    with unreadable_on(ValueError, RecursionError, problem="not readable as HTML"):
        found = trafilatura.bare_extraction(page, include_comments=False, favor_recall=True, with_metadata=True)
        text = trafilatura.extract(
            page, output_format="markdown", include_comments=False, include_formatting=True, favor_recall=True
        )
    text = text or trafilatura.html2txt(page) or ""
    title = getattr(found, "title", None) or source.path.stem
    yield Document(
        id=sha256_of_file(source.path),
        file=source.name,
        kind="html",
        title=str(title),
        text=text,
        headings=find_headings(text),
    )


def _page(source: Source) -> str:
    content = source.path.read_bytes()
    encoding = source.encoding or "utf-8"
    declared = CHARSET.search(content[:HEAD_BYTES])
    if not encoding.startswith("utf") and declared is not None:
        encoding = declared.group(1).decode("ascii")
    with unreadable_on(UnicodeDecodeError, LookupError, problem="text that its declared encoding does not fit"):
        return content.decode(encoding)
