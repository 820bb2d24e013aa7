"""MinHash signatures (Broder 1997) cut into bands (Leskovec, Rajaraman and Ullman 2014, chapter 3).

128 permutations in 32 bands of 4 rows: a pair at Jaccard 0.7 shares a band with probability 0.9998.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import xxhash

from luthier.prepare.dedup.matching import matching_copy
from luthier.prepare.dedup.shingles import Hashes, Shingles, is_unspaced, mix, shingles_of, word_count

BANDS, ROWS = 32, 4
BATCH = 128
"""Texts whose signatures are computed at once: their shingles fit the processor's cache."""
SHORT = 20
"""Words below which two texts with different numbers or codes are never duplicates."""
CODES = re.compile(r"\S*\d\S*")
UNSPACED_CODES = re.compile(r"[0-9a-z.,/:#-]*\d[0-9a-z.,/:#-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signed:
    """What is known of many texts for finding near-duplicates, row by row."""

    shingles: Shingles
    keys: Hashes
    """One row per band, one column per text."""
    prints: Hashes
    """xxh3-64 of each matching copy."""
    codes: Hashes
    """Hash of the numbers and codes in order; only compared where one of two texts is short."""
    short: npt.NDArray[np.bool_]


def sign_texts(texts: Sequence[str]) -> Signed:
    """Sign texts as they are stored: make their matching copies first."""
    return sign([matching_copy(text) for text in texts])


def sign(copies: Sequence[str]) -> Signed:
    """Sign matching copies."""
    batches = [shingles_of(copies[start : start + BATCH]) for start in range(0, len(copies), BATCH)]
    sizes = np.concatenate([np.diff(batch.starts) for batch in batches])
    words = [word_count(copy) for copy in copies]
    return Signed(
        shingles=Shingles(
            values=np.concatenate([batch.values for batch in batches]), starts=np.concatenate(([0], np.cumsum(sizes)))
        ),
        keys=np.concatenate([band_keys(batch) for batch in batches], axis=1),
        prints=np.array([xxhash.xxh3_64_intdigest(_encoded(copy)) for copy in copies], dtype=np.uint64),
        # A near-duplicate of a short text is little longer, so the codes of long texts are never asked for.
        codes=np.array(
            [_codes(copy) if count < 2 * SHORT else 0 for copy, count in zip(copies, words, strict=True)],
            dtype=np.uint64,
        ),
        short=np.array([count < SHORT for count in words], dtype=bool),
    )


def band_keys(shingles: Shingles) -> Hashes:
    """One key per band and text: texts that share a key are candidates."""
    count = len(shingles.starts) - 1
    lowest = np.empty((BANDS * ROWS, count), dtype=np.uint32)
    values = (shingles.values >> np.uint64(32)).astype(np.uint32)
    permuted = np.empty_like(values)
    for row, (factor, mask) in enumerate(_permutations()):
        np.multiply(values, factor, out=permuted)
        np.bitwise_xor(permuted, mask, out=permuted)
        np.minimum.reduceat(permuted, shingles.starts[:-1], out=lowest[row])
    rows = lowest.reshape(BANDS, ROWS, count).astype(np.uint64)
    high, low = rows[:, 0] << np.uint64(32) | rows[:, 1], rows[:, 2] << np.uint64(32) | rows[:, 3]
    return mix(mix(high) + low)


@cache
def _permutations() -> list[tuple[np.uint32, np.uint32]]:
    """Odd factor and mask of each permutation of 32-bit numbers."""
    drawn = mix(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) << np.uint64(8))
    factors, masks = (drawn >> np.uint64(32)).astype(np.uint32) | np.uint32(1), drawn.astype(np.uint32)
    return list(zip(factors, masks, strict=True))


def _codes(copy: str) -> int:
    found = (UNSPACED_CODES if is_unspaced(copy) else CODES).findall(copy)
    return xxhash.xxh3_64_intdigest(_encoded(" ".join(found)))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
