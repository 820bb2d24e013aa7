"""Cross-fitting: what folds whose models share most of their training rows do to a standard error."""

import math

from luthier.evaluate.statistics.clustered import Gain, bounded

FEWER_THAN = 60
"""Documents: with fewer, cross-fitting examines more than a held-out share could."""


def se_factor(folds: int) -> float:
    """sqrt(1 + K / (K - 1)): 1.5 for 5 folds; 1 for no folds (0).

    The corrected resampled t-test of Nadeau & Bengio (2003) adds the ratio of examined to trained rows, 1 / (K - 1),
    to 1 / K; times K this is 1 + K / (K - 1).
    """
    assert folds != 1, "one fold is no cross-fitting"
    return math.sqrt(1 + folds / (folds - 1)) if folds else 1.0


def widen(gain: Gain, *, by: float, alpha: float) -> Gain:
    """A gain with `by` times its standard error, and the bounds that belong to it."""
    return gain if by == 1 else bounded(gain.value, se=gain.se * by, df=gain.df, alpha=alpha)
