"""Metrics of a whole corpus (macro-F1): the gain with its jack-knife by document, and its swap test.

Delete-one-cluster jack-knife, Efron & Tibshirani (1993), with t(G-1) bounds.
"""

# G documents, V numbers in a document's count vector, R sign patterns

import math
from collections.abc import Callable

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, Gain, bounded
from luthier.evaluate.statistics.swap import SwapTest, over_patterns

_DRAWS = 4_000
Metric = Callable[[FloatArray], FloatArray]
"""Summed counts [..., V] -> value [...]."""


def jackknife_gain(tuned_GV: FloatArray, base_GV: FloatArray, metric: Metric, *, alpha: float) -> Gain:
    """theta = f(sum tuned) - f(sum base); SE = sqrt((G-1)/G sum_g (theta_(-g) - mean)^2), df = G - 1 >= 1."""
    value = float(metric(tuned_GV.sum(axis=0)) - metric(base_GV.sum(axis=0)))
    left_out_G = metric(tuned_GV.sum(axis=0) - tuned_GV) - metric(base_GV.sum(axis=0) - base_GV)
    return _bounds(value, left_out_G, alpha=alpha)


def jackknife_score(counts_GV: FloatArray, metric: Metric, *, alpha: float) -> Gain:
    """One arm's value with the same standard error and bounds."""
    return _bounds(float(metric(counts_GV.sum(axis=0))), metric(counts_GV.sum(axis=0) - counts_GV), alpha=alpha)


def swap_corpus(tuned_GV: FloatArray, base_GV: FloatArray, metric: Metric, *, alpha: float, seed: int) -> SwapTest:
    """Swap test that exchanges the two arms' counts of whole documents; ties within 1e-12 count."""
    differ_G = (tuned_GV != base_GV).any(axis=1)
    # Documents with equal counts change nothing; leaving them out of the patterns keeps p and saves work.
    difference_GV = (tuned_GV - base_GV)[differ_G]
    tuned_V, base_V = tuned_GV.sum(axis=0), base_GV.sum(axis=0)
    observed = float(metric(tuned_V) - metric(base_V))

    def at_least(keep_RG: FloatArray) -> int:
        moved_RV = (1 - keep_RG) @ difference_GV
        return int((metric(tuned_V - moved_RV) - metric(base_V + moved_RV) >= observed - 1e-12).sum())

    return over_patterns(int(differ_G.sum()), at_least, alpha=alpha, seed=seed)


def bootstrap_bounds(
    tuned_GV: FloatArray, base_GV: FloatArray, metric: Metric, *, alpha: float, seed: int
) -> tuple[float, float]:
    """Studentised bootstrap of the same gain, a cross-check of its t bounds; Efron & Tibshirani (1993), section 12.5.

    4,000 draws of G documents, each with its own jack-knife SE; a draw without spread counts as infinitely far from the
    gain, or as equal to it.
    """
    gain = jackknife_gain(tuned_GV, base_GV, metric, alpha=alpha)
    documents = len(tuned_GV)
    # Raw bits, because numpy keeps only those equal from version to version.
    bits = np.random.PCG64(seed)
    distances = []
    for _ in range(_DRAWS):
        chosen_G = (bits.random_raw(documents) % documents).astype(np.int64)
        drawn = jackknife_gain(tuned_GV[chosen_G], base_GV[chosen_G], metric, alpha=alpha)
        away = drawn.value - gain.value
        distances.append(away / drawn.se if drawn.se > 0 else math.copysign(math.inf, away) if away else 0.0)
    far, near = np.quantile(distances, [1 - alpha, alpha], method="inverted_cdf")
    return float(gain.value - far * gain.se), float(gain.value - near * gain.se)


def _bounds(value: float, left_out_G: FloatArray, *, alpha: float) -> Gain:
    documents = len(left_out_G)
    assert documents > 1, "one document has no standard error"
    spread = float(((left_out_G - left_out_G.mean()) ** 2).sum())
    se = math.sqrt((documents - 1) / documents * spread)
    return bounded(value, se=se, df=float(documents - 1), alpha=alpha)


def mean_of_documents(value_G: FloatArray, *, alpha: float) -> Gain:
    """Plain mean over documents with t(G-1) bounds (Student 1908)."""
    documents = len(value_G)
    assert documents > 1, "one document has no standard error"
    se = float(np.std(value_G, ddof=1)) / math.sqrt(documents)
    return bounded(float(value_G.mean()), se=se, df=float(documents - 1), alpha=alpha)


def log_ratio_of_documents(above_G: FloatArray, below_G: FloatArray, *, alpha: float) -> Gain:
    """ln(sum above / sum below) with t(G-1) bounds; both sums are positive.

    SE^2 = G / (G-1) sum_g (above_g / sum above - below_g / sum below)^2: the ratio estimator's linearised variance
    (Cochran 1977, Sampling Techniques, section 6.4) on the log scale.
    """
    documents = len(above_G)
    assert documents > 1, "one document has no standard error"
    above, below = float(above_G.sum()), float(below_G.sum())
    moved_G = above_G / above - below_G / below
    se = math.sqrt(documents / (documents - 1) * float(moved_G @ moved_G))
    return bounded(math.log(above / below), se=se, df=float(documents - 1), alpha=alpha)
