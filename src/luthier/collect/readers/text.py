"""Plain text, verbatim: offsets in the document are offsets in the file's text."""

from collections.abc import Iterator

from luthier.artifacts.canonical import sha256_of_file
from luthier.collect.reading import Source, unreadable_on
from luthier.records import Document


def read(source: Source) -> Iterator[Document]:
    """The one document of a text file."""
    yield Document(
        id=sha256_of_file(source.path), file=source.name, kind="text", title=source.path.stem, text=read_text(source)
    )


def read_text(source: Source) -> str:
    """The whole file as text, line ends as they are."""
    assert source.encoding is not None
    with unreadable_on(UnicodeDecodeError, problem="encodings are mixed"):
        return source.path.read_bytes().decode(source.encoding)
