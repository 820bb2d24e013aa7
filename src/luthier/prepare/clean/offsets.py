"""Which characters of a source a cleaned text was copied from."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

REACH, MEETING = 12, (3, 2, 1)
"""Characters that one piece of damage spans at most, and that should agree after it."""
NEAR = REACH + max(MEETING)
WAYS = [(one, way - one) for way in range(1, 2 * REACH + 1) for one in range(max(0, way - REACH), min(way, REACH) + 1)]
"""Steps ahead in two texts, shortest together first."""
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
        first = max(0, bisect_right(self.copies, start, key=lambda copy: copy[0]) - 1)
        for at in range(first, len(self.copies)):
            copy = self.copies[at]
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
    """Copies between a line and its mended form, in linear time.

    Both are read side by side. Where they part, letters that the other does not have are passed over; then they meet
    at the nearest place, at most `REACH` characters on, where as many characters agree as can be had of `MEETING`. If
    none do, only their common tail is a copy.
    """
    tail = _agreeing(cleaned[::-1], source[::-1], 0, 0, most=min(len(cleaned), len(source)))
    end, source_end = len(cleaned) - tail, len(source) - tail
    letters, others = set(cleaned), set(source)
    place = origin = 0
    while place < end and origin < source_end:
        length = _agreeing(cleaned, source, place, origin, most=min(end - place, source_end - origin))
        if length:
            yield place, origin, length
        place, origin = place + length, origin + length
        passed = _passed(cleaned, place, end, others), _passed(source, origin, source_end, letters)
        if passed == (place, origin):
            away = _meeting(cleaned[place : min(end, place + NEAR)], source[origin : min(source_end, origin + NEAR)])
            if away is None:
                break
            passed = place + away[0], origin + away[1]
        place, origin = passed
    if tail:
        yield end, source_end, tail


def _passed(text: str, place: int, end: int, others: set[str]) -> int:
    """The next place whose letter is among the others."""
    while place < end and text[place] not in others:
        place += 1
    return place


def _meeting(left: str, right: str) -> tuple[int, int] | None:
    """How far to go in both texts to where they agree again; the shortest way together."""
    for agreeing in MEETING:
        for one, other in WAYS:
            ahead = left[one : one + agreeing]
            if len(ahead) == agreeing and right.startswith(ahead, other):
                return one, other
    return None


def _agreeing(left: str, right: str, place: int, origin: int, *, most: int) -> int:
    """How many letters agree from two places on."""
    count = 0
    while count < most and left[place + count] == right[origin + count]:
        count += 1
    return count


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
