"""Which stretch of a text a model points at."""

# T tokens of a row

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.models.texts import WordedPair

LONGEST = 30
"""Tokens of an answer, as in Devlin et al. 2018 (arXiv:1810.04805)."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Characters `start` to `end` of a context, and the probability that the answer stands there."""

    start: int
    end: int
    score: float


def best_answer(logits_T2: NDArray[np.float64], pair: WordedPair) -> Pointer | None:
    """The most probable stretch of the context of at most 30 tokens; None if no answer, the row's first token, is more
    probable.
    """
    start_T, end_T = (each - np.logaddexp.reduce(each) for each in logits_T2.T)
    own_T = np.array([place is not None for place in pair.places])
    steps_T = np.arange(len(own_T))
    away_TT = steps_T - steps_T[:, None]
    allowed_TT = own_T[:, None] & own_T & (away_TT >= 0) & (away_TT < LONGEST)
    both_TT = np.where(allowed_TT, start_T[:, None] + end_T, -np.inf)
    first, last = divmod(int(both_TT.argmax()), len(own_T))
    found = pair.characters_of(first, last)
    if found is None or both_TT[first, last] < start_T[0] + end_T[0]:
        return None
    return Pointer(*found, score=float(np.exp(both_TT[first, last])))
