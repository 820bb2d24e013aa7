"""What makers of questions read: rows of the corpus, their sentences, and how rare their words are."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from luthier.prepare.candidate import Candidate
from luthier.records import Span, Text

FENCE = "```"
PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
SENTENCE = re.compile(r"(?<=[.!?])(?P<close>[”\")]*)\s+(?=[A-Z0-9“\"(])")
SHORT_FORMS = ("e.g.", "i.e.", "etc.", "cf.", "vs.", "Dr.", "Mr.", "Mrs.", "No.", "Fig.", "approx.")
WORD = re.compile(r"\w+(?:[.$-]\w+)*")


@dataclass(frozen=True)
class Passage:
    """A row of the corpus as a maker reads it."""

    id: str
    """Of the row."""
    document: str
    """The group it belongs to: the unit of sampling."""
    at: str
    title: str
    """Title of its document and the headings above it; may be empty."""
    text: str
    span: Span | None
    """Its bytes in the document; None for rows of row formats."""

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Characters [start, end) of every sentence of its prose: no code, table, heading or list of contents."""
        return [found for start, end in self._prose() for found in _sentences(self.text, start, end)]

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words, folded, and parts of those that are joined by marks."""
        return frozenset(part for word in WORD.findall(self.text.casefold()) for part in (word, *re.split(r"\W", word)))

    def bytes_of(self, start: int, end: int) -> Span | None:
        """The document's bytes of characters [start, end); those of the whole row where cleaning changed its text."""
        if self.span is None or self.span.end - self.span.start != len(self.text.encode()):
            return self.span
        first = self.span.start + len(self.text[:start].encode())
        return Span(self.span.document, first, first + len(self.text[start:end].encode()))

    def _prose(self) -> Iterator[tuple[int, int]]:
        cuts = [(0, 0), *(match.span() for match in PARAGRAPH.finditer(self.text)), (len(self.text),) * 2]
        is_code = False
        for (_, start), (end, _) in pairwise(cuts):
            block = self.text[start:end]
            fences = block.count(FENCE)
            if not is_code and not fences and not block.startswith(("#", "|", "    ")):
                yield start, end
            is_code ^= fences % 2 == 1


def passages_of(candidates: Iterable[Candidate], group_of: Mapping[str, str]) -> list[Passage]:
    """Texts as makers read them, in the order given."""
    found = []
    for one in candidates:
        if isinstance(one.example, Text):
            origin = one.example.origin
            title, heading = (origin.columns.get(name, "") for name in ("title", "heading"))
            title = heading if heading.startswith(title) else f"{title} > {heading}" if heading else title
            span = origin.spans[0] if origin.spans else None
            found.append(Passage(one.id, group_of[one.id], one.at, title, one.example.text, span))
    return found


class Rarity:
    """In how many documents each word stands."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        held = {(passage.document, word) for passage in passages for word in passage.words}
        self._counts = Counter(word for _document, word in held)
        self._told: dict[str, int] = {}
        self.documents = len({passage.document for passage in passages})

    def of(self, text: str) -> int:
        """Documents that hold a word or, of a text, the rarest of its words."""
        if text not in self._told:
            self._told[text] = min((self._counts[word] for word in WORD.findall(text.casefold())), default=0)
        return self._told[text]


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Sentences of a paragraph; one that ends in a short form goes on."""
    first = start + (2 if text.startswith(": ", start) else 0)
    for match in SENTENCE.finditer(text, start, end):
        if not text[: match.start()].endswith(SHORT_FORMS):
            yield first, match.end("close")
            first = match.end()
    if first < end:
        yield first, end
