"""Shingles of matching copies as sorted sets of 64-bit hashes: what Jaccard similarity is counted on.

Five words in a row; eight letters in a row for texts under five words and for scripts without spaces. The hashes of
many texts are computed at once: words are read eight letters at a time and mixed as in SplitMix64, words or letters in
a row are a polynomial of them (Rabin and Karp 1987).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from luthier.prepare.dedup.matching import ROOM, SPACE, Copies, Offsets, joined

WORDS, LETTERS = 5, 8
LONGEST_WORD = 1 << 12
"""Bytes after which one word (a key, a picture in base 64) counts as several."""
BLOCK = 1 << 17
"""Bytes whose words are found at once: what is known of them fits the processor's cache."""
PIECE = 1 << 18
"""Letters whose running sums are computed at once."""
UNSPACED = re.compile("[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Thai, Lao, Tibetan, Burmese, Khmer, kana and Han."""
LETTERS_A_WORD = 3
"""Letters of an unspaced script that make about one word."""
BASE = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Words:
    """Hashes of the words of many texts, in order."""

    hashes: Hashes
    ends: Offsets
    """Where each text ends, counted in words."""

    @property
    def counts(self) -> Offsets:
        """Words of each text."""
        return np.diff(self.ends, prepend=0)

    def only(self, stays: npt.NDArray[np.bool_]) -> "Words":
        """Those of some texts."""
        counts = self.counts
        return Words(self.hashes[np.repeat(stays, counts)], np.cumsum(counts[stays]))


@dataclass(frozen=True, slots=True)
class Shingles:
    """Distinct shingles of many texts: those of text i are `values[starts[i]:starts[i + 1]]`, ascending."""

    values: Hashes
    starts: Offsets
    words: Offsets
    """Words of each text; in scripts without spaces, a third of its letters."""

    def of(self, text: int) -> Hashes:
        """The shingles of one text."""
        return self.values[self.starts[text] : self.starts[text + 1]]


def words_of(copies: Copies) -> Words:
    """Hash the words of matching copies."""
    starts, hashes = [], []
    place, last = 0, len(copies.letters) - ROOM - 1
    while place < last:
        # A block ends with the space that the next one starts with, so no word is cut.
        space = copies.letters.find(b" ", min(place + BLOCK, last))
        found = _words_between(copies.letters, place, space + 1)
        starts.append(found[0])
        hashes.append(found[1])
        place = space
    return Words(np.concatenate(hashes), np.searchsorted(np.concatenate(starts), copies.starts[1:]))


def shingles_of(copies: Copies, words: Words) -> Shingles:
    """Hash the shingles of matching copies, whose words these are. Every text has at least one."""
    counts = words.counts
    by_letter = counts < WORDS
    if not copies.letters.isascii():
        by_letter |= np.array([is_unspaced(copies.of(text)) for text in range(len(copies))])
    if not by_letter.any():
        return _windows(words.hashes, words.ends, width=WORDS, words=counts)
    by_word = words.only(~by_letter)
    found = _by_letter([copies.of(text) for text in np.flatnonzero(by_letter).tolist()])
    if len(by_word.ends):
        found = _joined(_windows(by_word.hashes, by_word.ends, width=WORDS, words=by_word.counts), found)
    order = np.argsort(np.argsort(by_letter, kind="stable"), kind="stable")
    return _picked(found, order)


def letter_windows(text: str, *, width: int) -> Hashes:
    """Hash of every `width` letters in a row, by place; empty if the text is shorter."""
    return np.concatenate(
        [_letter_sums(text[start : start + PIECE + width - 1], width) for start in range(0, max(1, len(text)), PIECE)]
    )


def word_windows(copy: bytes, *, width: int) -> Hashes:
    """Hash of every `width` words in a row of a matching copy, by place; empty if it has fewer."""
    return mix(_rolled(words_of(joined([copy])).hashes, width))


def is_unspaced(copy: bytes) -> bool:
    """True if a third of the text or more is in a script without spaces."""
    if copy.isascii():
        return False
    text = copy.decode("utf-8", "surrogatepass")
    return 3 * len(UNSPACED.findall(text)) >= len(text)


def _by_letter(copies: Sequence[bytes]) -> Shingles:
    """Texts below one shingle are filled up."""
    texts = [one.decode("utf-8", "surrogatepass") for one in copies]
    full = [one.ljust(LETTERS, "\0") for one in texts]
    points = np.frombuffer("".join(full).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    words = [
        len(text) // LETTERS_A_WORD if is_unspaced(copy) else text.count(" ") + 1
        for text, copy in zip(texts, copies, strict=True)
    ]
    ends = np.cumsum([len(one) for one in full])
    return _windows(mix(points + np.uint64(1)), ends, width=LETTERS, words=np.array(words))


def _windows(elements: Hashes, ends: Offsets, *, width: int, words: Offsets) -> Shingles:
    """Distinct hashes of every `width` elements in a row of each text; every text has so many."""
    inside = np.ones(len(elements), dtype=bool)
    for step in range(1, width):
        inside[ends - step] = False
    values = mix(_rolled(elements, width)[inside[: len(elements) - width + 1]])
    starts = np.concatenate(([0], ends - np.arange(1, len(ends) + 1) * (width - 1)))
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        values[start:end].sort()
    new = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    new[starts[:-1]] = True
    sizes = np.add.reduceat(new, starts[:-1], dtype=np.int64)
    return Shingles(values=values[new], starts=np.concatenate(([0], np.cumsum(sizes))), words=words)


def _rolled(elements: Hashes, width: int) -> Hashes:
    """Polynomial of every `width` elements in a row; empty if there are fewer."""
    count = max(0, len(elements) - width + 1)
    rolled = elements[:count].copy()
    for step in range(1, width):
        rolled *= np.uint64(BASE)
        rolled += elements[step : step + count]
    return rolled


def _words_between(letters: bytes, start: int, end: int) -> tuple[Offsets, Hashes]:
    """Places and hashes of the words between two spaces; monstrous words are cut."""
    inside = np.frombuffer(letters, np.uint8, end - start, start) != SPACE
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, lengths = edges[::2] + start + 1, edges[1::2] - edges[::2]
    if len(lengths) and lengths.max() > LONGEST_WORD:
        starts, lengths = _cut(starts, lengths)
    eights = np.ndarray((len(letters) - ROOM + 1,), "<u8", letters, strides=(1,))
    hashes = _eight_letters(eights, starts, lengths)
    for done in range(8, LONGEST_WORD, 8):
        longer = np.flatnonzero(lengths > done)
        if not len(longer):
            break
        hashes[longer] = mix(hashes[longer]) + _eight_letters(eights, starts[longer] + done, lengths[longer] - done)
    return starts, mix(hashes)


def _eight_letters(eights: Hashes, starts: Offsets, lengths: Offsets) -> Hashes:
    """The first eight letters or fewer of words as numbers, told apart by length too."""
    read = eights[starts] << (64 - 8 * np.minimum(lengths, 8)).astype(np.uint64)
    read += lengths.astype(np.uint64) * np.uint64(BASE)
    return read


def _cut(starts: Offsets, lengths: Offsets) -> tuple[Offsets, Offsets]:
    counts = -(-lengths // LONGEST_WORD)
    skipped = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)) * LONGEST_WORD
    return np.repeat(starts, counts) + skipped, np.minimum(np.repeat(lengths, counts) - skipped, LONGEST_WORD)


def _letter_sums(text: str, width: int) -> Hashes:
    if len(text) < width:
        return np.zeros(0, np.uint64)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    sums = np.zeros(len(points) + 1, dtype=np.uint64)
    np.cumsum(mix(points + np.uint64(1)) * _powers()[: len(points)], out=sums[1:])
    return mix((sums[width:] - sums[:-width]) * _inverse_powers()[: len(points) - width + 1])


def _joined(first: Shingles, second: Shingles) -> Shingles:
    return Shingles(
        values=np.concatenate((first.values, second.values)),
        starts=np.concatenate((first.starts, second.starts[1:] + first.starts[-1])),
        words=np.concatenate((first.words, second.words)),
    )


def _picked(shingles: Shingles, order: Offsets) -> Shingles:
    sets = [shingles.of(text) for text in order.tolist()]
    starts = np.cumsum([0, *(len(one) for one in sets)])
    return Shingles(values=np.concatenate(sets), starts=starts, words=shingles.words[order])


def mix(values: Hashes) -> Hashes:
    """Spread every bit over all others (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(MULTIPLIERS[0])
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(MULTIPLIERS[1])
    mixed ^= mixed >> np.uint64(31)
    return mixed


@cache
def _powers() -> Hashes:
    return _powers_of(BASE)


@cache
def _inverse_powers() -> Hashes:
    return _powers_of(pow(BASE, -1, 1 << 64))


def _powers_of(base: int) -> Hashes:
    factors = np.full(2 * PIECE, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)
