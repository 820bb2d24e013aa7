"""How much of what was learnt ships: the most that keeps the base's general ability."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from luthier.records import Listener, Tick, Worded
from luthier.train.learner import Learner

FACTORS = (1.0, 0.75, 0.5, 0.25)
MARGIN = math.log(1.01)
"""Loss on general text that still counts as retained: 1 % more bits per byte."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The chosen factor, why, and what each tried factor did."""

    factor: float
    reason: str
    tried: tuple[dict[str, float], ...]


def choose_scale(
    learner: Learner,
    general: Sequence[Worded],
    before: Sequence[float],
    *,
    rescale: Callable[[float], None],
    listener: Listener,
) -> Scale:
    """Take the largest factor whose loss on general validation text stays within the margin at one-sided 95 %.

    `before` holds the base's nats per row. If no factor does, everything learnt ships and the exam tells.
    """
    if len(general) < 2:
        return Scale(1.0, f"{len(general)} rows of general text are too few to tell", ())
    tried = []
    for index, factor in enumerate(FACTORS):
        listener(Tick("train: general ability", index, len(FACTORS), f"what was learnt, times {factor}"))
        rescale(factor)
        ratios = -np.log(np.array(learner.score(general)) / np.array(before))
        error = float(ratios.std(ddof=1)) / math.sqrt(len(ratios))
        low = float(ratios.mean()) - float(stdtrit(len(ratios) - 1, 0.95)) * error
        tried.append({"factor": factor, "mean_log_ratio": float(ratios.mean()), "low": low})
        if low > -MARGIN:
            return Scale(
                factor, f"the largest that keeps general text within 1 % (lower bound {low:+.4f})", tuple(tried)
            )
    rescale(1.0)
    return Scale(1.0, "no smaller factor kept general text within 1 % either", tuple(tried))
