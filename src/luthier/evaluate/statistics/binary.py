"""Right or wrong, item by item: McNemar's exact test, Tango's and Wilson's intervals. Counts may be fractional."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import bdtrc, ndtri


@dataclass(frozen=True, slots=True)
class Interval:
    """One-sided 1 - alpha bounds on each side."""

    low: float
    high: float


def mcnemar(won: int, lost: int) -> float:
    """P(Bin(b + c, 1/2) >= b): the exact one-sided test of McNemar (1947); 1 if no item differs."""
    return float(bdtrc(won - 1, won + lost, 0.5)) if won > 0 else 1.0


def tango(won: float, lost: float, *, n: float, alpha: float) -> Interval:
    """Score interval for a difference of paired proportions, Tango (1998), by its two roots."""
    z = float(ndtri(1 - alpha))

    def score(difference: float, sign: float) -> float:
        spread = 2 * _lost_share(won, lost, n, difference) + difference * (1 - difference)
        return won - lost - n * difference - sign * z * math.sqrt(max(n * spread, 0.0))

    middle = (won - lost) / n
    # Where nothing differs the score is 0 at the middle itself, and the bound is the root beside it.
    below, above = middle - 1e-9 * (1 + middle), middle + 1e-9 * (1 - middle)
    return Interval(low=_root(score, -1.0, below, sign=1.0), high=_root(score, above, 1.0, sign=-1.0))


def wilson(right: float, *, n: float, alpha: float) -> Interval:
    """Score interval for one proportion, Wilson (1927)."""
    z = float(ndtri(1 - alpha))
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(low=max(0.0, centre - reach), high=min(1.0, centre + reach))


def _lost_share(won: float, lost: float, n: float, difference: float) -> float:
    """Most likely share of items only the other arm got right, given the difference: Tango's q."""
    a = 2 * n
    b = -won - lost + (2 * n - won + lost) * difference
    c = -lost * difference * (1 - difference)
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    # The form without cancellation for either sign of b.
    return (root - b) / (2 * a) if b <= 0 else -2 * c / (root + b)


def _root(score: Callable[[float, float], float], left: float, right: float, *, sign: float) -> float:
    at_left, at_right = score(left, sign), score(right, sign)
    if at_left <= 0:
        return left
    if at_right >= 0:
        return right
    return float(brentq(score, left, right, args=(sign,), xtol=1e-15, rtol=1e-14))
