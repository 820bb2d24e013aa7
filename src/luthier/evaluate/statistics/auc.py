"""How well one number tells two groups apart, with its confidence bounds: DeLong, DeLong & Clarke-Pearson (1988)."""

# M members, C controls

import math
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from luthier.evaluate.statistics.clustered import FloatArray, Gain, bounded


def auc(member_M: FloatArray, control_C: FloatArray, *, alpha: float) -> Gain:
    """P(member > control) + P(equal) / 2 with normal bounds, in [0, 1]; df is infinite. Both groups have two or more.

    SE^2 = var(V10)/M + var(V01)/C, where V10 and V01 are the shares of the other group that each value beats; they
    come from midranks, Sun & Xu (2014).
    """
    members, controls = len(member_M), len(control_C)
    assert min(members, controls) > 1, "one value has no variance"
    rank = rankdata(np.concatenate([member_M, control_C]))
    beaten_M = (rank[:members] - rankdata(member_M)) / controls
    beating_C = 1 - (rank[members:] - rankdata(control_C)) / members
    value = float(beaten_M.mean())
    se = math.sqrt(float(np.var(beaten_M, ddof=1)) / members + float(np.var(beating_C, ddof=1)) / controls)
    found = bounded(value, se=se, df=math.inf, alpha=alpha)
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))
