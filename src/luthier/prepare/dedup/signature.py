"""MinHash signatures (Broder 1997) cut into bands (Leskovec, Rajaraman and Ullman 2014, chapter 3).

128 permutations in 32 bands of 4 rows: a pair at Jaccard 0.7 shares a band with probability 0.9998.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import xxhash

from luthier.prepare.dedup.matching import matching_copies
from luthier.prepare.dedup.shingles import Hashes, Shingles, is_unspaced, mix, shingles_of

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
    return _sign([texts[start : start + BATCH] for start in range(0, len(texts), BATCH)], matching_copies)


def sign(copies: Sequence[str]) -> Signed:
    """Sign matching copies."""
    return _sign([copies[start : start + BATCH] for start in range(0, len(copies), BATCH)], _encoded)


def _sign(batches: Sequence[Sequence[str]], encoded: Callable[[Sequence[str]], list[bytes]]) -> Signed:
    shingles: list[Shingles] = []
    keys: list[Hashes] = []
    prints: list[int] = []
    codes: list[int] = []
    for batch in batches:
        copies = encoded(batch)
        shingles.append(shingles_of(copies))
        keys.append(band_keys(shingles[-1]))
        prints += map(xxhash.xxh3_64_intdigest, copies)
        # A near-duplicate of a short text is little longer, so the codes of long texts are never asked for.
        may_matter = shingles[-1].words < 2 * SHORT
        codes += [_codes(copy) if matters else 0 for copy, matters in zip(copies, may_matter.tolist(), strict=True)]
    words = np.concatenate([one.words for one in shingles])
    sizes = np.concatenate([np.diff(one.starts) for one in shingles])
    values = np.concatenate([one.values for one in shingles])
    return Signed(
        shingles=Shingles(values=values, starts=np.concatenate(([0], np.cumsum(sizes))), words=words),
        keys=np.concatenate(keys, axis=1),
        prints=np.array(prints, dtype=np.uint64),
        codes=np.array(codes, dtype=np.uint64),
        short=words < SHORT,
    )


def are_near(left: str, right: str, *, threshold: float) -> bool:
    """True if two matching copies are a pair as in `near_pairs`."""
    both = sign([left, right])
    if both.short.any() and both.codes[0] != both.codes[1]:
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


def _codes(copy: bytes) -> int:
    text = copy.decode("utf-8", "surrogatepass")
    found = (UNSPACED_CODES if is_unspaced(copy) else CODES).findall(text)
    return xxhash.xxh3_64_intdigest(" ".join(found).encode("utf-8", "surrogatepass"))


def _encoded(copies: Sequence[str]) -> list[bytes]:
    return [copy.encode("utf-8", "surrogatepass") for copy in copies]
