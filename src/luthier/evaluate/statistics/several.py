"""Several tests at once: adjusted p-values, to be compared with the level that one test would have had.

Holm keeps the chance of any false finding at the level (secondary metrics, rivals); Benjamini-Hochberg keeps the
expected share of false ones among the findings (slices, labelled exploratory).
"""

# M tests

from collections.abc import Sequence

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, IntArray


def holm(p_M: Sequence[float]) -> FloatArray:
    """max over j <= i of (M - j + 1) p_(j), at most 1, in the order given; Holm (1979). [M]"""
    p, order = _sorted(p_M)
    return _unsorted(np.maximum.accumulate((len(p) - np.arange(len(p))) * p), order)


def benjamini_hochberg(p_M: Sequence[float]) -> FloatArray:
    """min over j >= i of M p_(j) / j, at most 1, in the order given; Benjamini & Hochberg (1995). [M]"""
    p, order = _sorted(p_M)
    scaled = p * len(p) / (np.arange(len(p)) + 1)
    return _unsorted(np.minimum.accumulate(scaled[::-1])[::-1], order)


def _sorted(p_M: Sequence[float]) -> tuple[FloatArray, IntArray]:
    p = np.array(p_M, dtype=np.float64)
    assert ((p >= 0) & (p <= 1)).all(), "chances lie in [0, 1]"
    order: IntArray = np.argsort(p, kind="stable").astype(np.int64)
    return p[order], order


def _unsorted(adjusted: FloatArray, order: IntArray) -> FloatArray:
    found = np.empty_like(adjusted)
    found[order] = np.minimum(adjusted, 1.0)
    return found
