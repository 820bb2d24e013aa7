"""a - c b: how much of one gain another one is, as a difference, which has a standard error where a ratio has none."""

import math

from luthier.evaluate.statistics.clustered import Gain, Sums, bounded, clustered_gain, document_errors


def contrast_within(first: Sums, second: Sums, *, times: float, alpha: float) -> Gain:
    """a - times b of two gains on the same documents, row by row: e_g = e_g(a) - times e_g(b) before squaring.

    The degrees of freedom are the smaller of the two gains'.
    """
    assert len(first.items) == len(second.items), "the same documents in the same order"
    gains = [clustered_gain(sums, alpha=alpha) for sums in (first, second)]
    error_G = document_errors(first) - times * document_errors(second)
    value = gains[0].value - times * gains[1].value
    return bounded(value, se=math.sqrt(float(error_G @ error_G)), df=min(gain.df for gain in gains), alpha=alpha)


def contrast_between(first: Gain, second: Gain, *, times: float, alpha: float) -> Gain:
    """a - times b of two gains on different documents: SE^2 = SE_a^2 + times^2 SE_b^2, df as in Welch (1947)."""
    variances = first.se**2, (times * second.se) ** 2
    whole = sum(variances)
    parts = sum(variance**2 / gain.df for variance, gain in zip(variances, (first, second), strict=True))
    df = whole**2 / parts if parts > 0 else min(first.df, second.df)
    return bounded(first.value - times * second.value, se=math.sqrt(whole), df=df, alpha=alpha)
