"""What an exam can see, and how large it would have to be."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr, chdtri, gammaln, ndtr, ndtri, stdtrit

FEWEST_DOCUMENTS = 6
"""With fewer no sign pattern can be rarer than alpha = .025 (2^-5 = .031)."""
FEWEST_ITEMS = 30
POWER = 0.80
ICC = 0.2
"""Correlation of items within a document where nothing better is known."""
DIFFERING = 0.3
"""Share of items on which two models differ where nothing better is known."""
MOST_DOCUMENTS = 10_000_000
"""No exam is planned larger."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(120)


@dataclass(frozen=True, slots=True)
class Design:
    """An exam that does not exist yet, and how its answers will differ."""

    documents: int
    per_document: float
    """Items per document."""
    psi: float = DIFFERING
    """Share of items on which the models differ; for graded scores the mean squared difference."""
    icc: float = ICC

    @property
    def items(self) -> float:
        """Items in all."""
        return self.documents * self.per_document

    def se(self, gain: float = 0.0) -> float:
        """Standard error of the measured gain if the true one is `gain`: sqrt((psi - gain^2) DE / n)."""
        effect = design_effect(self.items, self.documents, icc=self.icc)
        return math.sqrt(max(self.psi - gain**2, 0.0) * effect / self.items)


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


def power_of(design: Design, gain: float, *, alpha: float = 0.025, minimum_effect: float = 0.02) -> float:
    """Chance that a true `gain` is measured as significant and as at least the MPE, with df = documents - 1.

    P(measured >= max(t SE + 1/n, MPE)) over the normal spread of the measured gain and the chi spread of its SE; but
    for 1/n and MPE this is the power of the t-test, Cohen (1988). Gauss-Legendre in the SE. Exchanging the arms of a
    document changes sums of right or wrong answers by even numbers, so the swap test needs one item more: 1/n.
    """
    se, df = design.se(gain), design.documents - 1
    if se == 0:
        return float(gain >= minimum_effect)
    least, step = minimum_effect / se, 1 / design.items / se
    critical = float(stdtrit(df, 1 - alpha))
    # In units of the true SE: below `bend` the MPE decides, above it significance.
    low, high = (math.sqrt(float(chdtri(df, share)) / df) for share in (1 - 1e-13, 1e-13))
    bend = min(max((least - step) / critical, low), high)
    by_minimum = float(chdtr(df, df * bend**2)) * float(ndtr(gain / se - least))
    ratio = (high - bend) / 2 * _NODES + (high + bend) / 2
    density = math.log(2) + df / 2 * math.log(df / 2) - gammaln(df / 2) + (df - 1) * np.log(ratio) - df * ratio**2 / 2
    significant = np.exp(density) * ndtr(gain / se - critical * ratio - step)
    return by_minimum + (high - bend) / 2 * float(_WEIGHTS @ significant)


def documents_to_see(
    gain: float,
    *,
    per_document: float,
    psi: float = DIFFERING,
    icc: float = ICC,
    alpha: float = 0.025,
    minimum_effect: float = 0.02,
) -> int | None:
    """Fewest documents with which a true `gain` ships 4 times in 5; None if no exam of a possible size does.

    At least 6 documents and 30 items. A true gain of the MPE or less is measured as less in half of all exams.
    """
    if gain <= minimum_effect or gain**2 > psi:
        return None

    def enough(documents: int) -> bool:
        return (
            power_of(Design(documents, per_document, psi, icc), gain, alpha=alpha, minimum_effect=minimum_effect)
            >= POWER
        )

    few = max(FEWEST_DOCUMENTS, math.ceil(FEWEST_ITEMS / per_document))
    if enough(few):
        return few
    many = 2 * few
    while not enough(many):
        few, many = many, 2 * many
        if many > MOST_DOCUMENTS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many
