"""Swap test: if the arms were equal, exchanging their names within any document would change nothing.

One-sided sign-flip (randomisation) test over whole documents, Fisher (1935); Monte Carlo p as in
Phipson & Smyth (2010).
"""

# G documents, R sign patterns

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray

EXACT_UP_TO = 13
"""Documents: 2^13 patterns are all tried."""
MOST_DRAWS = 999_999
"""Looks that may spend less than 20 millionths cannot be won."""
_CHUNK = 1 << 22
"""Signs held at once."""


@dataclass(frozen=True, slots=True)
class SwapTest:
    """One-sided p-value and how it was found."""

    p: float
    draws: int
    """Sign patterns tried."""
    exact: bool


def swap_test(shares_G: FloatArray, *, alpha: float, seed: int) -> SwapTest:
    """P(sum eps_g S_g >= sum S_g) over random signs; ties within 1e-12 sum|S_g| count."""
    observed = float(shares_G.sum())
    tolerance = 1e-12 * float(np.abs(shares_G).sum())

    def at_least(keep_RG: FloatArray) -> int:
        return int((2 * (keep_RG @ shares_G) - observed >= observed - tolerance).sum())

    return over_patterns(len(shares_G), at_least, alpha=alpha, seed=seed)


def over_patterns(documents: int, count: Callable[[FloatArray], int], *, alpha: float, seed: int) -> SwapTest:
    """Feed patterns (1 keeps a document, 0 exchanges it; [R, G]) to `count`, which counts those as good as the data.

    Up to 13 documents every pattern, else R = max(9,999, ceil(20/alpha)) random ones and p = (1 + #) / (R + 1).
    """
    if documents <= EXACT_UP_TO:
        codes = np.arange(1 << documents)
        keep_RG = ((codes[:, None] >> np.arange(documents)) & 1).astype(np.float64)
        return SwapTest(p=count(keep_RG) / len(codes), draws=len(codes), exact=True)
    draws = min(max(9_999, math.ceil(20 / alpha)), MOST_DRAWS)
    # Raw bits, because numpy keeps only those equal from version to version.
    bits = np.random.PCG64(seed)
    words = math.ceil(documents / 64)
    rows = max(1, _CHUNK // documents)
    hits = 0
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        raw = bits.random_raw(size * words).astype("<u8").view(np.uint8).reshape(size, words * 8)
        hits += count(np.unpackbits(raw, axis=1, bitorder="little")[:, :documents].astype(np.float64))
    return SwapTest(p=(1 + hits) / (draws + 1), draws=draws, exact=False)
