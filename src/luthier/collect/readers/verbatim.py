"""What readers of plain-text formats share: the text as it is, its lines, and what was found in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from luthier.artifacts.canonical import sha256_of_file
from luthier.collect.reading import Source, unreadable_on
from luthier.records import Document, Grid

LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end: characters `start` to `end` of the text. `number` counts from 1."""

    number: int
    start: int
    end: int
    text: str

    @property
    def is_blank(self) -> bool:
        """True if there is nothing to see."""
        return not self.text.strip()

    @property
    def indent(self) -> int:
        """Characters of white space in front."""
        return len(self.text) - len(self.text.lstrip())


@dataclass(frozen=True, slots=True)
class Outline:
    """What was found in a text that stays as it is; offsets as in `Document`."""

    title: str = ""
    headings: Sequence[tuple[int, int, str]] = ()
    code: Sequence[tuple[int, int]] = ()
    grids: Sequence[Grid] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


def read_text(source: Source) -> str:
    """The whole file as text, line ends as they are. UnreadableError where its encoding does not fit."""
    assert source.encoding is not None
    with unreadable_on(UnicodeDecodeError, problem="encodings are mixed"):
        return source.path.read_bytes().decode(source.encoding)


def lines_of(text: str) -> list[Line]:
    """The lines of a text; \\n, \\r\\n and a lone \\r end one, form feeds and the like do not."""
    return [
        Line(number, match.start(), match.end(1), match.group(1))
        for number, match in enumerate(LINE.finditer(text), start=1)
        if match.start() < len(text)
    ]


def verbatim_document(source: Source, text: str, *, kind: str, outline: Outline) -> Document:
    """The document of a text file. Its title is the outline's, the first heading, or the file's name."""
    return Document(
        id=sha256_of_file(source.path),
        file=source.name,
        kind=kind,
        title=outline.title or (outline.headings[0][2] if outline.headings else source.stem),
        text=text,
        headings=tuple(outline.headings),
        meta=outline.meta,
        grids=tuple(outline.grids),
        code=tuple(outline.code),
    )
