"""How large one gain is as a share of another, with its interval: Fieller (1954)."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from luthier.evaluate.statistics.clustered import Gain


@dataclass(frozen=True, slots=True)
class Ratio:
    """a / b; `low` and `high` are one-sided 1 - alpha bounds each, None where b may be 0 and the ratio anything."""

    value: float
    low: float | None
    high: float | None


def ratio(first: Gain, second: Gain, *, alpha: float) -> Ratio | None:
    """a / b of two independent gains: all r with |a - r b| <= t sqrt(SE_a^2 + r^2 SE_b^2); None if b is 0.

    The degrees of freedom are the smaller of the two gains'.
    """
    a, b = first.value, second.value
    if b == 0:
        return None
    spread = float(stdtrit(min(first.df, second.df), 1 - alpha)) ** 2
    square = b * b - spread * second.se**2
    if square <= 0:
        return Ratio(a / b, None, None)
    root = math.sqrt(spread * (b * b * first.se**2 + a * a * second.se**2 - spread * (first.se * second.se) ** 2))
    low, high = sorted((a * b + sign * root) / square for sign in (-1, 1))
    return Ratio(a / b, low, high)
