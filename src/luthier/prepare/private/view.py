"""One text as the detectors see it, and what they hand back."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from luthier.prepare.private.config import FindingType

FOLDED = {ord(mark): " " for mark in "\u00a0\u2007\u2009\u202f\t"} | {
    ord(mark): "-" for mark in "\u2010\u2011\u2012\u2013"
}
BREAK = "\0"
"""Stands between texts that are read together: nothing reaches across it."""
MASKED = "\x1f"
"""Stands for every character of a code from an earlier masking: white space, and so no part of any value."""
APART, FEWEST = 8, 4
"""Digits less than this many characters apart form an island; one with fewer digits holds nothing we look for."""
REACH = 48
"""Characters after an island that a value may still need."""
PART_OF_WORD = re.compile(r"^[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A proved value: characters [start, end) of the text, and its one normal form."""

    type: FindingType
    start: int
    end: int
    value: str


@dataclass(frozen=True, slots=True)
class View:
    """A text in three forms whose offsets agree: characters, one byte for each ('?' outside ASCII), and lower case."""

    text: str
    """With the many spaces and hyphens of typography folded into one of each."""
    data: bytes
    lower: bytes
    islands: tuple[tuple[int, int], ...]
    """Where digits stand close together, from the first one to behind the last one."""

    def before(self, start: int, length: int) -> str:
        """At most `length` characters before `start`, lower case, whole words of the same text."""
        left = max(0, start - length)
        part = self.text[left:start]
        if self.text[left - 1 : left].isalpha():
            part = PART_OF_WORD.sub("", part)
        return part[part.rfind(BREAK) + 1 :].lower()

    def after(self, end: int, length: int) -> str:
        """At most `length` characters from `end`, lower case, from the same text."""
        part = self.text[end : end + length]
        return part.partition(BREAK)[0].lower()

    def stands_alone(self, start: int, end: int) -> bool:
        """Whether no letter or digit touches the characters [start, end)."""
        before, after = self.text[max(0, start - 1) : start], self.text[end : end + 1]
        return not (before.isalnum() or before == "_" or after.isalnum() or after == "_")

    def digits_like(self, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """Matches of a pattern that begins with a digit: only where digits stand close together."""
        for start, end in self.islands:
            for match in pattern.finditer(self.data, start, end + REACH):
                if match.start() < end:
                    yield match

    def places(self, words: Iterable[bytes]) -> list[int]:
        """Where lower-case words stand, in order; a search in memory for each, much faster than one pattern."""
        found = []
        for word in words:
            at = self.lower.find(word)
            while at >= 0:
                found.append(at)
                at = self.lower.find(word, at + 1)
        return sorted(found)


Detector = Callable[[View], Iterator[Found]]


def view_of(text: str) -> View:
    """Prepare a text for the detectors."""
    if not text.isascii() or "\t" in text:
        # str.translate walks non-ASCII text slowly; a replacement that finds nothing is a search in memory.
        for mark, plain in FOLDED.items():
            text = text.replace(chr(mark), plain)
    data = text.encode("ascii", "replace")
    return View(text=text, data=data, lower=data.lower(), islands=_islands(data))


def _islands(data: bytes) -> tuple[tuple[int, int], ...]:
    # Unsigned bytes below '0' wrap to large numbers.
    digits = np.flatnonzero(np.frombuffer(data, np.uint8) - ord("0") < 10)
    if digits.size < FEWEST:
        return ()
    cuts = np.flatnonzero(np.diff(digits) > APART) + 1
    first, last = np.concatenate(([0], cuts)), np.concatenate((cuts, [digits.size]))
    large = last - first >= FEWEST
    starts, ends = digits[first[large]], digits[last[large] - 1] + 1
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))
