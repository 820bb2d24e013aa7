"""CoNLL files: a token and its tag on each line, a sentence per row. BIO and BIOES tags stay as they are written."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from luthier.collect.readers.verbatim import Line, lines_of, read_text
from luthier.collect.reading import Source, UnreadableError, reject
from luthier.records import Reject, Row

BREAK = re.compile(r"-DOCSTART-.*|#\s*newdoc\b.*")
PREFIXED = re.compile(r"[BIESLUM]-\S+")
OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the lines of a file look."""

    width: int
    """Cells of a line."""
    is_prefixed: bool
    """False: tags are bare, `PER` and `O`."""

    def problem(self, cells: Sequence[str]) -> str:
        """Why a line holds no token with its tag; empty if it does."""
        if len(cells) != self.width:
            return f"{len(cells)} cells where the other lines have {self.width}"
        if self.is_prefixed and cells[-1] != OUTSIDE and not PREFIXED.fullmatch(cells[-1]):
            return f"'{cells[-1]}' is no tag such as O, B-PER or I-PER"
        return ""

    def tag(self, written: str) -> str:
        """The tag with its prefix; bare ones are IO tags."""
        return written if self.is_prefixed or written == OUTSIDE else f"I-{written}"


def read(source: Source) -> Iterator[Row | Reject]:
    """One row per sentence, at its first line: `tokens`, `tags`, and the number of its `document` from 1.

    The token is the first cell of a line and the tag the last one; cells are parted by tabs, or else by white space.
    Bare tags (`PER` and `O`) are IO tags and become `I-PER`. UnreadableError if the last cells are no tags.
    """
    lines = lines_of(read_text(source))
    layout = _layout(lines)
    document = 0
    for is_sentence, group in groupby(lines, key=lambda line: not (line.is_blank or BREAK.fullmatch(line.text))):
        block = list(group)
        if is_sentence:
            yield from _sentence(source.name, block, layout, document=max(1, document))
        else:
            document += any(not line.is_blank for line in block)


def _layout(lines: Sequence[Line]) -> _Layout:
    table = [_cells(line.text) for line in lines if not (line.is_blank or BREAK.fullmatch(line.text))]
    widths = Counter(len(cells) for cells in table if len(cells) > 1)
    width = widths.most_common(1)[0][0] if widths else 0
    tags = {cells[-1] for cells in table if len(cells) == width}
    is_prefixed = any(map(PREFIXED.fullmatch, tags))
    if not is_prefixed and OUTSIDE not in tags:
        raise UnreadableError("the last column holds no tags such as O, B-PER and I-PER")
    return _Layout(width, is_prefixed)


def _sentence(name: str, block: Sequence[Line], layout: _Layout, *, document: int) -> Iterator[Row | Reject]:
    tokens: list[str] = []
    tags: list[str] = []
    first = 0
    for line in block:
        cells = _cells(line.text)
        problem = layout.problem(cells)
        if problem and line.text.startswith("#"):
            continue  # a remark: as a token, a hash sign has a tag
        if problem:
            yield reject(name, line.number, problem, "\n".join(one.text for one in block))
            return
        first = first or line.number
        tokens.append(cells[0])
        tags.append(layout.tag(cells[-1]))
    if tokens:
        yield Row(f"{name}:{first}", first, {"tokens": tokens, "tags": tags, "document": document})


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.rstrip().split("\t")] if "\t" in line else line.split()
