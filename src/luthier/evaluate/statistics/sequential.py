"""An exam that may stop early: evidence that can be looked at after every document without spending anything.

The e-process bets on documents won against documents lost. It tests the sign of a document's gain, not its size: an
interval after an early stop is not covered.
"""

# G documents

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln, logsumexp

from luthier.evaluate.statistics.clustered import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Betting:
    """Where the e-process stands, or stopped."""

    documents: int
    """Documents asked, in the drawn order."""
    won: int
    lost: int
    log_e: float
    stopped: bool
    """E reached 1/alpha at a look: stands for "low > 0 and p <= alpha"."""


def log_e(won: int, lost: int) -> float:
    """ln of E = 2^(w+l+1) B(w+1, l+1) P(Bin(w+l+1, 1/2) <= w), the mean of 2^(w+l) p^w (1-p)^l over p in (1/2, 1).

    A mixture martingale if documents are won and lost with equal chance (Robbins 1970), so P(sup E >= 1/alpha) <= alpha
    by Ville (1939).
    """
    tosses = won + lost + 1
    heads = np.arange(won + 1)
    # Summed in logs, because the tail may be smaller than the smallest float.
    tail = logsumexp(gammaln(tosses + 1) - gammaln(heads + 1) - gammaln(tosses - heads + 1))
    return float(betaln(won + 1, lost + 1) + tail)


def drawn_order(documents: int, *, seed: int) -> IntArray:
    """Places 0 .. documents - 1 in the seeded order in which they are asked. [G]"""
    # Raw bits, because numpy keeps only those equal from version to version.
    return np.argsort(np.random.PCG64(seed).random_raw(documents), kind="stable").astype(np.int64)


def bet(shares_G: FloatArray, *, looks: Sequence[int], alpha: float) -> Betting:
    """Look after each of the given numbers of documents, rising, and stop at the first E >= 1/alpha.

    `shares_G` are the documents' S_g in the drawn order; its sign says who won, and ties are skipped.
    """
    won_G, lost_G = np.cumsum(shares_G > 0), np.cumsum(shares_G < 0)
    assert looks, "there is at least one look"
    for seen in looks:
        won, lost = int(won_G[seen - 1]), int(lost_G[seen - 1])
        evidence = log_e(won, lost)
        if evidence >= -math.log(alpha):
            break
    return Betting(seen, won, lost, evidence, stopped=evidence >= -math.log(alpha))
