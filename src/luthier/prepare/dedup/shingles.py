"""Shingles of matching copies as sorted sets of 64-bit hashes: what Jaccard similarity is counted on.

Five words in a row; eight letters in a row for texts under five words and for scripts without spaces. The hashes of
many texts are computed at once from running sums of a polynomial (Rabin and Karp 1987), mixed as in SplitMix64.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

WORDS, LETTERS = 5, 8
LONGEST_WORD = 1 << 12
"""Bytes after which one word (a key, a picture in base 64) counts as several."""
PIECE = 1 << 18
"""Bytes whose running sums are computed at once."""
UNSPACED = re.compile("[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Thai, Lao, Tibetan, Burmese, Khmer, kana and Han."""
LETTERS_A_WORD = 3
"""Letters of an unspaced script that make about one word."""
BASE = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shingles:
    """Distinct shingles of many texts: those of text i are `values[starts[i]:starts[i + 1]]`, ascending."""

    values: Hashes
    starts: Offsets

    def of(self, text: int) -> Hashes:
        """The shingles of one text."""
        return self.values[self.starts[text] : self.starts[text + 1]]


def shingles_of(copies: Sequence[str]) -> Shingles:
    """Hash the shingles of matching copies. Every text has at least one."""
    by_letter = np.array([_is_by_letter(one) for one in copies], dtype=bool)
    words = _hashed([one for one, letter in zip(copies, by_letter, strict=True) if not letter], by_letter=False)
    letters = _hashed([one for one, letter in zip(copies, by_letter, strict=True) if letter], by_letter=True)
    if not by_letter.any():
        return words
    parts = {True: iter(_each(letters)), False: iter(_each(words))}
    return _joined([next(parts[bool(letter)]) for letter in by_letter])


def word_count(copy: str) -> int:
    """Words of a matching copy; in scripts without spaces, a third of the letters."""
    return len(copy) // LETTERS_A_WORD if is_unspaced(copy) else copy.count(" ") + 1


def is_unspaced(copy: str) -> bool:
    """True if a third of the text or more is in a script without spaces."""
    return not copy.isascii() and 3 * len(UNSPACED.findall(copy)) >= len(copy)


def _is_by_letter(copy: str) -> bool:
    return copy.count(" ") < WORDS - 1 or is_unspaced(copy)


def _hashed(copies: Sequence[str], *, by_letter: bool) -> Shingles:
    if not copies:
        return Shingles(values=np.zeros(0, np.uint64), starts=np.zeros(1, np.int64))
    width = LETTERS if by_letter else WORDS
    elements, ends = _letters(copies) if by_letter else _words(copies)
    powers = _powers()[:width]
    rolled = elements * powers[0]
    for step in range(1, width):
        rolled[: len(rolled) - step] += elements[step:] * powers[step]
    inside = np.ones(len(rolled), dtype=bool)
    for step in range(1, width):
        inside[ends - step] = False
    values = mix(rolled[inside])
    return _distinct(values, np.concatenate(([0], ends - np.arange(1, len(ends) + 1) * (width - 1))))


def _letters(copies: Sequence[str]) -> tuple[Hashes, Offsets]:
    """Hashes of letters, and where each text ends; texts below one shingle are filled up."""
    full = [one.ljust(LETTERS, "\0") for one in copies]
    points = np.frombuffer("".join(full).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    return mix(points + np.uint64(1)), np.cumsum([len(one) for one in full])


def _words(copies: Sequence[str]) -> tuple[Hashes, Offsets]:
    """Hashes of words, and where each text ends, counted in words."""
    parts, counts = [], []
    for copy in copies:
        encoded = copy.encode("utf-8", "surrogatepass")
        pieces = [encoded] if len(encoded) <= PIECE else _pieces(encoded)
        counts.append(sum(piece.count(b" ") + 1 for piece in pieces))
        parts += pieces
    hashes, pending, size = [], list[bytes](), 0
    for part in parts:
        if pending and size + len(part) >= PIECE:
            hashes.append(_word_hashes(b" ".join(pending)))
            pending, size = [], 0
        pending.append(part)
        size += len(part) + 1
    hashes.append(_word_hashes(b" ".join(pending)))
    return np.concatenate(hashes), np.cumsum(counts)


def _pieces(encoded: bytes) -> list[bytes]:
    """A long text in pieces of whole words, monstrous words cut."""
    words = []
    for word in encoded.split(b" "):
        words += [word[place : place + LONGEST_WORD] for place in range(0, len(word), LONGEST_WORD)]
    count = PIECE // (2 * LONGEST_WORD)
    return [b" ".join(words[place : place + count]) for place in range(0, len(words), count)]


def _word_hashes(joined: bytes) -> Hashes:
    """Hash of every word of a text with single spaces: difference of two running sums, moved to power 0."""
    letters = np.frombuffer(joined, dtype=np.uint8)
    sums = np.zeros(len(letters) + 1, dtype=np.uint64)
    np.cumsum(_letter_values()[letters] * _powers()[: len(letters)], out=sums[1:])
    spaces = np.flatnonzero(letters == ord(" "))
    starts, ends = np.concatenate(([0], spaces + 1)), np.concatenate((spaces, [len(letters)]))
    return mix((sums[ends] - sums[starts]) * _inverse_powers()[starts])


def _distinct(values: Hashes, starts: Offsets) -> Shingles:
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        values[start:end].sort()
    new = np.ones(len(values), dtype=bool)
    new[1:] = values[1:] != values[:-1]
    new[starts[:-1]] = True
    counted = np.concatenate(([0], np.cumsum(new)))
    return Shingles(values=values[new], starts=counted[starts])


def _each(shingles: Shingles) -> list[Hashes]:
    return [shingles.of(text) for text in range(len(shingles.starts) - 1)]


def _joined(sets: Sequence[Hashes]) -> Shingles:
    return Shingles(values=np.concatenate(sets), starts=np.cumsum([0, *(len(one) for one in sets)]))


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


@cache
def _letter_values() -> Hashes:
    return mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(BASE))
