"""What an exam can see, and how large it would have to be."""

import math

from scipy.special import ndtri, stdtrit

FEWEST_DOCUMENTS = 6
"""With fewer no sign pattern can be rarer than alpha = .025 (2^-5 = .031)."""
FEWEST_ITEMS = 30
POWER = 0.80
ICC = 0.2
"""Correlation of items within a document where nothing better is known."""
DIFFERING = 0.3
"""Share of items on which two models differ where nothing better is known."""


def design_effect(n: float, documents: float, *, icc: float = ICC) -> float:
    """1 + (items per document - 1) ICC: how much less clustered items say than independent ones; Kish (1965)."""
    return 1 + (max(n / documents, 1) - 1) * icc


def mde(se: float, df: float, *, alpha: float, minimum_effect: float) -> float:
    """max(t(df, 1-alpha) SE, MPE) + t(df, .80) SE: the true gain that ships 4 times in 5."""
    return max(float(stdtrit(df, 1 - alpha)) * se, minimum_effect) + float(stdtrit(df, POWER)) * se


def foreseen_mde(
    n: int,
    documents: int,
    *,
    psi: float = DIFFERING,
    icc: float = ICC,
    alpha: float = 0.025,
    minimum_effect: float = 0.02,
) -> float | None:
    """MDE before any answer is known, SE = sqrt(psi DE / n), df = documents - 1; None: no verdict is possible."""
    if documents < FEWEST_DOCUMENTS or n < FEWEST_ITEMS:
        return None
    se = math.sqrt(psi * design_effect(n, documents, icc=icc) / n)
    return mde(se, documents - 1, alpha=alpha, minimum_effect=minimum_effect)


def items_needed(delta: float, *, psi: float, alpha: float = 0.025) -> int:
    """Independent right-or-wrong items to see a gain `delta` with power .80: Connor (1987) for paired proportions."""
    z, power = float(ndtri(1 - alpha)), float(ndtri(POWER))
    return math.ceil((z * math.sqrt(psi) + power * math.sqrt(psi - delta**2)) ** 2 / delta**2)


def documents_needed(value: float, se: float, *, documents: int, df: float, alpha: float, minimum_effect: float) -> int:
    """G*: documents to SHIP if `value` is the truth (value > MPE), else documents to settle if the truth is 0; >= 6."""
    significance, power = float(stdtrit(df, 1 - alpha)), float(stdtrit(df, POWER))
    if value > minimum_effect:
        factor = max((significance + power) / value, power / (value - minimum_effect))
    else:
        factor = (significance + power) / minimum_effect if minimum_effect > 0 else math.inf
    needed = documents * se**2 * factor**2
    return max(FEWEST_DOCUMENTS, math.ceil(min(needed, 1e9)))
