"""Which stretch of a text a model points at."""

# T tokens of a row

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.models.texts import PairWindow

LONGEST = 30
"""Tokens of an answer, as in Devlin et al. 2018 (arXiv:1810.04805)."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Characters `start` to `end` of a context, and the probability that the answer stands there."""

    start: int
    end: int
    score: float


def best_answer(logits: Sequence[NDArray[np.float64]], windows: Sequence[PairWindow]) -> Pointer | None:
    """The most probable stretch of the context of at most 30 tokens, by the logits [T, 2] of each of its windows.

    None if in every window no answer, its first token, is more probable. Of several windows the one counts that
    prefers its stretch the most to none (Devlin et al. 2018, section 4.3).
    """
    found = [_best_stretch(each, window) for each, window in zip(logits, windows, strict=True)]
    preference, pointer = max(found, key=lambda one: one[0])
    return pointer if preference >= 0 else None


def _best_stretch(logits_T2: NDArray[np.float64], window: PairWindow) -> tuple[float, Pointer | None]:
    """By how many nats the best stretch of a window is preferred to none, and where it stands in the context."""
    pair = window.pair
    start_T, end_T = (each - np.logaddexp.reduce(each) for each in logits_T2.T)
    own_T = np.array([place is not None for place in pair.places])
    steps_T = np.arange(len(own_T))
    away_TT = steps_T - steps_T[:, None]
    allowed_TT = own_T[:, None] & own_T & (away_TT >= 0) & (away_TT < LONGEST)
    both_TT = np.where(allowed_TT, start_T[:, None] + end_T, -np.inf)
    first, last = divmod(int(both_TT.argmax()), len(own_T))
    found = pair.characters_of(first, last)
    if found is None:
        return -np.inf, None
    start, end = (window.start + place for place in found)
    best = float(both_TT[first, last])
    return best - float(start_T[0] + end_T[0]), Pointer(start, end, score=math.exp(best))
