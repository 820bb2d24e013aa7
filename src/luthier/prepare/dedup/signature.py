"""MinHash signatures (Broder 1997) cut into bands (Leskovec, Rajaraman and Ullman 2014, chapter 3).

128 values in 32 bands of 4 rows: a pair at Jaccard 0.7 shares a band with probability 0.9998. Each of 64 permutations
gives two of them, its least and its greatest shingle: draws without putting back. They are rows of different bands.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xxhash

from luthier.prepare.dedup.matching import Copies, Offsets, copies_of, joined
from luthier.prepare.dedup.shingles import Hashes, Shingles, is_unspaced, mix, shingles_of, words_of

BANDS, ROWS = 32, 4
PERMUTATIONS = BANDS * ROWS // 2
BATCH, LEAST = 1 << 19, 1 << 8
"""Letters of the texts that are signed at once (what is known of them fits the processor's cache), and letters that any
text counts for there."""
SHORT = 20
"""Words below which two texts with different numbers or codes are never duplicates."""
NUMBERS = re.compile(r"\S*\d\S*")
UNSPACED_NUMBERS = re.compile(r"[0-9a-z.,/:#-]*\d[0-9a-z.,/:#-]*", re.ASCII)
SINGLES = re.compile(r"(?<!\S)[^\W\d_](?!\S)")
UNSPACED_SINGLES = re.compile("(?<![a-z])[a-z](?![a-z])")
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Codes:
    """What tells short texts apart, row by row."""

    short: Mask
    numbers: Hashes
    """Hash of the numbers and codes in order."""
    singles: Hashes
    """Words of one letter: two bits for each of 32 letters, the first for one, both for more of them."""

    def of(self, texts: Offsets) -> "Codes":
        """Those of some texts."""
        return Codes(self.short[texts], self.numbers[texts], self.singles[texts])

    def clash(self, other: "Codes") -> Mask:
        """True where one of two texts is short, and their numbers differ or each has a letter that the other lacks.

        A letter that only one of them has may be an article, or what is left of a word with an apostrophe.
        """
        letters = ((self.singles & ~other.singles) > 0) & ((other.singles & ~self.singles) > 0)
        clash: Mask = (self.short | other.short) & ((self.numbers != other.numbers) | letters)
        return clash


@dataclass(frozen=True, slots=True)
class Signed:
    """What is known of many texts for finding near-duplicates, row by row."""

    shingles: Shingles
    keys: Hashes
    """One row per band, one column per text."""
    prints: Hashes
    """Hash of the words of each matching copy."""
    codes: Codes
    """Empty for long texts: only compared where one of two texts is short."""


def batches(lengths: Offsets) -> Iterator[slice]:
    """Texts of these lengths cut into batches to be signed."""
    ends = np.flatnonzero(np.diff(np.cumsum(lengths + LEAST) // BATCH, append=-1)) + 1
    for start, end in pairwise([0, *ends.tolist()]):
        yield slice(start, end)


def sign_texts(texts: Sequence[str]) -> Signed:
    """Sign texts as they are stored, one or more: make their matching copies first."""
    return _sign(copies_of(texts))


def sign(copies: Sequence[str]) -> Signed:
    """Sign matching copies, one or more."""
    return _sign(joined([copy.encode("utf-8", "surrogatepass") for copy in copies]))


def _sign(copies: Copies) -> Signed:
    words = words_of(copies)
    shingles = shingles_of(copies, words)
    hashes, ends = words.hashes.data, words.ends.tolist()
    numbers, singles = np.zeros(len(copies), np.uint64), np.zeros(len(copies), np.uint64)
    # A near-duplicate of a short text is little longer, so the codes of long texts are never asked for.
    for text in np.flatnonzero(shingles.words < 2 * SHORT).tolist():
        numbers[text], singles[text] = _codes(copies.of(text))
    return Signed(
        shingles=shingles,
        keys=band_keys(shingles),
        prints=np.array(
            [xxhash.xxh3_64_intdigest(hashes[start:end]) for start, end in pairwise([0, *ends])], dtype=np.uint64
        ),
        codes=Codes(shingles.words < SHORT, numbers, singles),
    )


def are_near(left: str, right: str, *, threshold: float) -> bool:
    """True if two matching copies are a pair as in `near_pairs`."""
    both = sign([left, right])
    if both.codes.of(np.array([0])).clash(both.codes.of(np.array([1]))).any():
        return False
    return jaccard_of(both.shingles.of(0), both.shingles.of(1)) >= threshold


def jaccard_of(left: Hashes, right: Hashes) -> float:
    """Jaccard similarity of two sets of shingles, each ascending."""
    both = np.concatenate((left, right))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)


def band_keys(shingles: Shingles) -> Hashes:
    """One key per band and text: texts that share a key are candidates."""
    starts = shingles.starts[:-1]
    values = (shingles.values >> np.uint64(32)).astype(np.uint32)
    drawn = np.empty((BANDS * ROWS, len(starts)), dtype=np.uint32)
    permuted = np.empty_like(values)
    for row, factor in enumerate(_permutations()):
        np.multiply(values, factor, out=permuted)
        np.minimum.reduceat(permuted, starts, out=drawn[row])
        np.maximum.reduceat(permuted, starts, out=drawn[row - PERMUTATIONS])
    rows = drawn.reshape(BANDS, ROWS, len(starts)).astype(np.uint64)
    high, low = rows[:, 0] << np.uint64(32) | rows[:, 1], rows[:, 2] << np.uint64(32) | rows[:, 3]
    return mix(mix(high) + low)


@cache
def _permutations() -> list[np.uint32]:
    """Odd factors: each permutes 32-bit numbers."""
    drawn = mix(np.arange(1, PERMUTATIONS + 1, dtype=np.uint64) << np.uint64(8))
    return list((drawn >> np.uint64(32)).astype(np.uint32) | np.uint32(1))


def _codes(copy: bytes) -> tuple[int, int]:
    """Hash of numbers and codes, and the set of words of one letter."""
    text = copy.decode("utf-8", "surrogatepass")
    unspaced = is_unspaced(copy)
    numbers = (UNSPACED_NUMBERS if unspaced else NUMBERS).findall(text)
    singles = 0
    for letter in (UNSPACED_SINGLES if unspaced else SINGLES).findall(text):
        first = 1 << 2 * (ord(letter) % 32)
        singles |= first if not singles & first else 2 * first
    return xxhash.xxh3_64_intdigest(" ".join(numbers).encode("utf-8", "surrogatepass")), singles
