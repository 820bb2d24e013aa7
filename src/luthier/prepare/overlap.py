"""Passages that training rows share with the exam: 13 words in a row, or a long common substring.

The index holds the exam only; training rows pass by once. Wording that many groups of the exam share (a preamble, a
question's template, the usual advice) is nobody's secret: it does not count, and a shared passage must be long enough
without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from luthier.prepare.dedup.matching import Offsets
from luthier.prepare.dedup.shingles import WORDS, Hashes, letter_windows, word_windows

GRAM = 13
"""Words in a row that two independent texts hardly share (Brown et al. 2020, appendix C)."""
TELLING_WORDS = 7
"""Words of a gram that must not be common wording."""
SHORTEST = 50
"""Characters below which a common substring is no evidence of copying."""
WINDOW = SHORTEST // 2
"""Letters of a hashed window: every common substring of `SHORTEST` holds one that starts at a multiple of this."""
COMMON_GROUPS, COMMON_SHARE = 4, 0.01
"""Wording in more groups than both of these, in number and in share of all, is common."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Passage:
    """What one exam item says, as matching copies."""

    group: str
    question: str
    answer: str

    @property
    def text(self) -> str:
        """Question and answer."""
        return f"{self.question} {self.answer}"


class PassageIndex:
    """Finds which passages a text shares words with."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        groups = [one.group for one in passages]
        self._grams = _Places.of(_telling_grams(passages, groups))
        windows = [letter_windows(one.text, width=WINDOW) for one in passages]
        every = _Places.of(windows)
        common = every.common(groups)
        self._tells = [
            ~_covered(np.isin(found, common), width=WINDOW, length=len(one.text))
            for one, found in zip(passages, windows, strict=True)
        ]
        self._windows = every.only(~np.isin(every.hashes, common))
        self._anchors = every.only(_anchors(passages, windows, every))

    def shared_with(self, question: str, answer: str) -> set[int]:
        """Numbers of the passages that this row, in matching copies, gives away."""
        text = f"{question} {answer}"
        found = {passage for _, passage, _ in self._grams.hits(word_windows(_encoded(text), width=GRAM))}
        windows = letter_windows(text, width=WINDOW)[::WINDOW]
        for number, passage, at in self._anchors.hits(windows):
            if _stands_at(self._passages[passage].question, text, number * WINDOW - at):
                found.add(passage)
        diagonals: set[tuple[int, int]] = set()
        for number, passage, at in self._windows.hits(windows):
            place = number * WINDOW
            if passage not in found and (passage, place - at) not in diagonals:
                diagonals.add((passage, place - at))
                found |= {passage} if self._gives_away(passage, at, text, place) else set()
        return found

    def _gives_away(self, passage: int, at: int, text: str, place: int) -> bool:
        """True if the common substring around two places tells 50 characters and half of what the passage tells."""
        whole, tells = self._passages[passage].text, self._tells[passage]
        start = at - _common(reversed(whole[:at]), reversed(text[:place]))
        end = at + _common(whole[at:], text[place:])
        told = int(np.count_nonzero(tells[start:end]))
        return told >= SHORTEST and 2 * told >= int(np.count_nonzero(tells))


@dataclass(frozen=True, slots=True)
class _Places:
    """Hashes of the exam, ascending, with the number of the passage and the place in it."""

    hashes: Hashes
    numbers: Offsets
    places: Offsets

    @classmethod
    def of(cls, found: Sequence[Hashes]) -> "_Places":
        hashes = np.concatenate([np.zeros(0, np.uint64), *found])
        sizes = [len(each) for each in found]
        numbers = np.repeat(np.arange(len(found)), sizes)
        places = np.concatenate([np.zeros(0, np.int64), *(np.arange(size) for size in sizes)])
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], numbers[order], places[order])

    def only(self, stays: Mask) -> "_Places":
        """Some of them."""
        return _Places(self.hashes[stays], self.numbers[stays], self.places[stays])

    def common(self, groups: Sequence[str]) -> Hashes:
        """Hashes that stand in many groups, ascending."""
        most = max(COMMON_GROUPS, COMMON_SHARE * len(set(groups)))
        values, starts, sizes = np.unique(self.hashes, return_index=True, return_counts=True)
        often = np.flatnonzero(sizes > most)
        holders = [{groups[number] for number in self.numbers[starts[one] : starts[one] + sizes[one]]} for one in often]
        return values[often[[len(each) > most for each in holders]]] if holders else values[:0]

    def hits(self, hashes: Hashes) -> Iterator[tuple[int, int, int]]:
        """(place among `hashes`, number of the passage, place in the passage) of each that is known."""
        starts, ends = (np.searchsorted(self.hashes, hashes, side=side) for side in ("left", "right"))
        for place in np.flatnonzero(ends > starts).tolist():
            for known in range(int(starts[place]), int(ends[place])):
                yield place, int(self.numbers[known]), int(self.places[known])


def _telling_grams(passages: Sequence[Passage], groups: Sequence[str]) -> list[Hashes]:
    """Hashes of 13 words in a row of each passage, most of which are no common wording."""
    shingles = [word_windows(_encoded(one.text), width=WORDS) for one in passages]
    common = _Places.of(shingles).common(groups)
    telling = []
    for one, found in zip(passages, shingles, strict=True):
        grams = word_windows(_encoded(one.text), width=GRAM)
        covered = _covered(np.isin(found, common), width=WORDS, length=len(grams) + GRAM - 1)
        sums = np.concatenate(([0], np.cumsum(~covered)))
        telling.append(grams[sums[GRAM:] - sums[:-GRAM] >= TELLING_WORDS] if len(grams) else grams)
    return telling


def _covered(windows: Mask, *, width: int, length: int) -> Mask:
    """True for places inside a marked window."""
    covered = np.zeros(length, dtype=bool)
    for start in np.flatnonzero(windows).tolist():
        covered[start : start + width] = True
    return covered


def _anchors(passages: Sequence[Passage], windows: Sequence[Hashes], every: _Places) -> Mask:
    """For each long question, the rarest window of every alignment: wherever it is quoted, one of them is met."""
    anchors = set()
    for number, (one, found) in enumerate(zip(passages, windows, strict=True)):
        if len(one.question) < SHORTEST:
            continue
        inside = found[: len(one.question) - WINDOW + 1]
        first, after = (np.searchsorted(every.hashes, inside, side=side) for side in ("left", "right"))
        rarest = (after - first)[: len(inside) - len(inside) % WINDOW]
        places = rarest.reshape(-1, WINDOW).argmin(axis=0) * WINDOW + np.arange(WINDOW)
        anchors |= {(number, place) for place in places.tolist()}
    named = zip(every.numbers.tolist(), every.places.tolist(), strict=True)
    return np.array([each in anchors for each in named], dtype=bool)


def _stands_at(question: str, text: str, start: int) -> bool:
    """True if the question stands whole at `start`: no word of the text is cut."""
    if start < 0 or not text.startswith(question, start):
        return False
    return text[max(start - 1, 0) : start] in {"", " "} and text[start + len(question) :][:1] in {"", " "}


def _common(left: Iterable[str], right: Iterable[str]) -> int:
    """Letters that two texts begin with in common."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
