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
HEAD = 200
LONGEST_WORD = 1 << 12
"""Bytes after which one word (a key, a picture in base 64) counts as several."""
PIECE = 1 << 18
"""Bytes whose running sums are computed at once."""
UNSPACED = re.compile("[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Thai, Lao, Tibetan, Burmese, Khmer, kana and Han."""
LETTERS_A_WORD = 3
"""Letters of an unspaced script that make about one word."""
BLOCK = 1 << 15
"""Bytes of short texts taken together: their running sums fit the processor's cache."""
BASE = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]


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


NONE = Shingles(values=np.zeros(0, np.uint64), starts=np.zeros(1, np.int64), words=np.zeros(0, np.int64))


def shingles_of(copies: Sequence[bytes]) -> Shingles:
    """Hash the shingles of matching copies in UTF-8. Every text has at least one."""
    by_letter = [_is_by_letter(one) for one in copies]
    if not any(by_letter):
        return _by_word(copies)
    words = _by_word([one for one, letter in zip(copies, by_letter, strict=True) if not letter])
    letters = _by_letter([one for one, letter in zip(copies, by_letter, strict=True) if letter])
    order = np.argsort(np.argsort(by_letter, kind="stable"), kind="stable")
    return _picked(_joined(words, letters), order)


def letter_windows(text: str, *, width: int) -> Hashes:
    """Hash of every `width` letters in a row, by place; empty if the text is shorter."""
    return np.concatenate(
        [_letter_sums(text[start : start + PIECE + width - 1], width) for start in range(0, max(1, len(text)), PIECE)]
    )


def word_windows(copy: bytes, *, width: int) -> Hashes:
    """Hash of every `width` words in a row of a matching copy, by place; empty if it has fewer."""
    elements, _ = _words([copy])
    if len(elements) < width:
        return np.zeros(0, np.uint64)
    return mix(_rolled(elements, width)[: len(elements) - width + 1])


def is_unspaced(copy: bytes) -> bool:
    """True if a third of the text or more is in a script without spaces."""
    if copy.isascii():
        return False
    text = copy.decode("utf-8", "surrogatepass")
    return 3 * len(UNSPACED.findall(text)) >= len(text)


def _is_by_letter(copy: bytes) -> bool:
    # Most texts show in their first letters that they have enough words.
    is_short = copy.count(b" ", 0, HEAD) < WORDS - 1 and copy.count(b" ") < WORDS - 1
    return is_short or (not copy.isascii() and is_unspaced(copy))


def _by_word(copies: Sequence[bytes]) -> Shingles:
    if not copies:
        return NONE
    elements, ends = _words(copies)
    return _windows(elements, ends, width=WORDS, words=np.diff(ends, prepend=0))


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
    """Distinct hashes of every `width` elements in a row of each text."""
    rolled = _rolled(elements, width)
    inside = np.ones(len(rolled), dtype=bool)
    for step in range(1, width):
        inside[ends - step] = False
    values = mix(rolled[inside])
    starts = np.concatenate(([0], ends - np.arange(1, len(ends) + 1) * (width - 1)))
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        values[start:end].sort()
    new = np.ones(len(values), dtype=bool)
    new[1:] = values[1:] != values[:-1]
    new[starts[:-1]] = True
    sizes = np.add.reduceat(new, starts[:-1], dtype=np.int64)
    return Shingles(values=values[new], starts=np.concatenate(([0], np.cumsum(sizes))), words=words)


def _rolled(elements: Hashes, width: int) -> Hashes:
    """Weighted sum of the `width` elements from each place on; the last ones lack some."""
    powers = _powers()[:width]
    rolled: Hashes = elements * powers[0]
    for step in range(1, width):
        rolled[: len(rolled) - step] += elements[step:] * powers[step]
    return rolled


def _words(copies: Sequence[bytes]) -> tuple[Hashes, Offsets]:
    """Hashes of words, and where each text ends, counted in words."""
    hashes: list[Hashes] = []
    ends: list[Offsets] = []
    pending: list[bytes] = []
    size = done = 0
    for copy in copies:
        if pending and size + len(copy) > BLOCK:
            done += _add_words(pending, hashes, ends, done)
            pending, size = [], 0
        if len(copy) > PIECE:
            parts = [_word_hashes(piece)[0] for piece in _pieces(copy)]
            hashes += parts
            done += sum(map(len, parts))
            ends.append(np.array([done]))
        else:
            pending.append(copy)
            size += len(copy) + 1
    if pending:
        _add_words(pending, hashes, ends, done)
    return np.concatenate(hashes), np.concatenate(ends)


def _add_words(copies: Sequence[bytes], hashes: list[Hashes], ends: list[Offsets], done: int) -> int:
    words, spaces = _word_hashes(b" ".join(copies))
    text_ends = np.cumsum([len(one) + 1 for one in copies]) - 1
    hashes.append(words)
    ends.append(np.searchsorted(spaces, text_ends) + 1 + done)
    return len(words)


def _pieces(encoded: bytes) -> list[bytes]:
    """A long text in pieces of whole words, monstrous words cut."""
    words = []
    for word in encoded.split(b" "):
        words += [word[place : place + LONGEST_WORD] for place in range(0, len(word), LONGEST_WORD)]
    count = PIECE // (2 * LONGEST_WORD)
    return [b" ".join(words[place : place + count]) for place in range(0, len(words), count)]


def _word_hashes(joined: bytes) -> tuple[Hashes, Offsets]:
    """Hash of every word of a text (the difference of two running sums, moved to power 0), and its single spaces."""
    letters = np.frombuffer(joined, dtype=np.uint8)
    sums = np.zeros(len(letters) + 1, dtype=np.uint64)
    np.cumsum(_letter_values()[letters] * _powers()[: len(letters)], out=sums[1:])
    spaces = np.flatnonzero(letters == ord(" "))
    starts, ends = np.concatenate(([0], spaces + 1)), np.concatenate((spaces, [len(letters)]))
    return mix((sums[ends] - sums[starts]) * _inverse_powers()[starts]), spaces


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


@cache
def _letter_values() -> Hashes:
    return mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(BASE))
