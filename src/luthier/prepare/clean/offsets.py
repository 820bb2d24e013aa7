"""Which characters of a source a cleaned text was copied from."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate

SMALL = 2_000
"""Characters up to which two texts are aligned letter by letter, not word by word: it takes quadratic time."""
WORDS = re.compile(r"\s+|\S+")
Copy = tuple[int, int, int]
"""(offset in the cleaned text, offset in the source, length)."""


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """Run-length map between a cleaned text and its source.

    `copies` ascend in both texts; what lies between two of them was written anew, or cut out.
    """

    copies: tuple[Copy, ...]
    cleaned: int
    """Length of the cleaned text."""
    source: int
    """Length of the source."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """The least span of the source that holds what cleaned `start` to `end` was made from."""
        assert 0 <= start <= end <= self.cleaned, (start, end, self.cleaned)
        if start == end:
            place = self._gap_or_copy(start)[0]
            return place, place
        first = self._gap_or_copy(start)[0]
        return first, max(first, self._gap_or_copy(end - 1)[1])

    def cleaned_offset(self, source: int) -> int:
        """Where a place of the source stands in the cleaned text; a place that was cut out stands at the cut."""
        at = bisect_right(self.copies, source, key=lambda copy: copy[1]) - 1
        if at < 0:
            return 0
        cleaned, start, length = self.copies[at]
        return cleaned + min(source - start, length)

    def after(self, earlier: "OffsetMap") -> "OffsetMap":
        """One map for two edits in a row: `earlier` made the text that this map calls its source."""
        assert earlier.cleaned == self.source, (earlier.cleaned, self.source)
        copies = (
            (cleaned + begin - middle, source + begin - known, end - begin)
            for cleaned, middle, length in self.copies
            for known, source, known_length in earlier._overlapping(middle, middle + length)
            for begin, end in [(max(middle, known), min(middle + length, known + known_length))]
        )
        return OffsetMap(joined(copies), cleaned=self.cleaned, source=earlier.source)

    def in_bytes(self, cleaned: str, source: str) -> "OffsetMap":
        """The same map in UTF-8 bytes of both texts."""
        copies: list[Copy] = []
        at_cleaned = at_source = to_cleaned = to_source = 0
        for start, origin, length in self.copies:
            to_cleaned += _size(cleaned[at_cleaned:start])
            to_source += _size(source[at_source:origin])
            size = _size(cleaned[start : start + length])
            copies.append((to_cleaned, to_source, size))
            at_cleaned, at_source = start + length, origin + length
            to_cleaned, to_source = to_cleaned + size, to_source + size
        return OffsetMap(tuple(copies), cleaned=_size(cleaned), source=_size(source))

    def _gap_or_copy(self, place: int) -> tuple[int, int]:
        """The source of one cleaned character: itself if it was copied, else the whole gap it was written for."""
        at = bisect_right(self.copies, place, key=lambda copy: copy[0]) - 1
        before = 0
        if at >= 0:
            cleaned, source, length = self.copies[at]
            if place < cleaned + length:
                return source + place - cleaned, source + place - cleaned + 1
            before = source + length
        following = self.copies[at + 1][1] if at + 1 < len(self.copies) else self.source
        return before, following

    def _overlapping(self, start: int, end: int) -> Iterator[Copy]:
        at = max(0, bisect_right(self.copies, start, key=lambda copy: copy[0]) - 1)
        for copy in self.copies[at:]:
            if copy[0] >= end:
                return
            if copy[0] + copy[2] > start:
                yield copy


def without(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, OffsetMap]:
    """Cut ascending, disjoint spans out of a text; answers what is left, and its map."""
    copies: list[Copy] = []
    parts: list[str] = []
    cleaned = source = 0
    for start, end in [*spans, (len(text), len(text))]:
        if start > source:
            copies.append((cleaned, source, start - source))
            parts.append(text[source:start])
            cleaned += start - source
        source = end
    return "".join(parts), OffsetMap(joined(copies), cleaned=cleaned, source=len(text))


def stripped(text: str) -> tuple[str, OffsetMap]:
    """A text without outer white space, and its map."""
    head = len(text) - len(text.lstrip())
    return without(text, [(0, head), (max(head, len(text.rstrip())), len(text))])


def align(cleaned: str, source: str) -> Iterator[Copy]:
    """Copies between two versions of a text: common head and tail, and longest matching blocks between them (difflib).

    Long texts are matched word by word.
    """
    head = _common_head(cleaned, source)
    tail = _common_head(cleaned[head:][::-1], source[head:][::-1])
    if head:
        yield 0, 0, head
    left, right = cleaned[head : len(cleaned) - tail], source[head : len(source) - tail]
    for start, origin, length in _blocks(left, right) if left and right else ():
        yield head + start, head + origin, length
    if tail:
        yield len(cleaned) - tail, len(source) - tail, tail


def _common_head(left: str, right: str) -> int:
    pairs = zip(left, right, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def _blocks(left: str, right: str) -> Iterator[Copy]:
    if max(len(left), len(right)) <= SMALL:
        yield from (
            (block.a, block.b, block.size)
            for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
            if block.size
        )
        return
    words, others = WORDS.findall(left), WORDS.findall(right)
    starts = list(accumulate(map(len, words), initial=0))
    origins = list(accumulate(map(len, others), initial=0))
    for block in SequenceMatcher(None, words, others).get_matching_blocks():
        if block.size:
            yield starts[block.a], origins[block.b], starts[block.a + block.size] - starts[block.a]


def joined(copies: Iterable[Copy]) -> tuple[Copy, ...]:
    """Copies with neighbours joined that continue each other in both texts."""
    runs: list[Copy] = []
    for cleaned, source, length in copies:
        if runs and runs[-1][0] + runs[-1][2] == cleaned and runs[-1][1] + runs[-1][2] == source:
            runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + length)
        elif length:
            runs.append((cleaned, source, length))
    return tuple(runs)


def _size(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))
