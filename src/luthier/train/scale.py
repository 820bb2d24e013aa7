"""How much of what was learnt ships: the most that serves held-out rows and keeps the base's general ability."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from luthier.records import Listener, Tick, Worded
from luthier.train.learner import Learner
from luthier.train.validation import Seen, Validation

FACTORS = (1.0, 0.75, 0.5, 0.25)
MARGIN = math.log(1.01)
"""Loss on general text that still counts as retained: 1 % more bits per byte."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The chosen factor, why, and what each tried factor did."""

    factor: float
    reason: str
    tried: tuple[dict[str, float], ...]

    @property
    def validation_loss(self) -> float | None:
        """Held-out loss with the chosen factor; None if it was not tried."""
        return next((one.get("validation_loss") for one in self.tried if one["factor"] == self.factor), None)


@dataclass(frozen=True, slots=True)
class General:
    """General validation rows, and the base's nats for each; none where there is no general ability to keep."""

    rows: Sequence[Worded] = ()
    before: Sequence[float] = ()

    def lower_bound(self, learner: Learner) -> tuple[float, float]:
        """Mean log ratio of the base's loss to the present one, and its lower bound at one-sided 95 %."""
        ratios = -np.log(np.array(learner.score(self.rows)) / np.array(self.before))
        error = float(ratios.std(ddof=1)) / math.sqrt(len(ratios))
        return float(ratios.mean()), float(ratios.mean()) - float(stdtrit(len(ratios) - 1, 0.95)) * error


def choose_scale(
    learner: Learner,
    *,
    validation: Validation,
    general: General,
    rescale: Callable[[float], None],
    listener: Listener,
) -> Scale:
    """Take the largest factor that is not clearly worse on validation than another and keeps general text.

    If none of those keeps it, the next best on validation that does; if none does, the exam tells.
    """
    tried: dict[float, dict[str, float]] = {factor: {"factor": factor} for factor in FACTORS}
    seen: dict[float, Seen] = {}
    for index, factor in enumerate(FACTORS if validation.rows else ()):
        listener(Tick("train: scale", index, len(FACTORS), f"what was learnt, times {factor}"))
        rescale(factor)
        seen[factor] = validation.look(learner)
        tried[factor]["validation_loss"] = seen[factor].loss
    order = _order(seen, validation)
    why = f"{_served(order, seen)}; " if seen else ""
    if len(general.rows) < 2:
        rescale(order[0])
        few = f"{len(general.rows)} rows of general text are too few to tell" if general.rows else "nothing general"
        return Scale(order[0], f"{why}{few}", tuple(tried.values()))
    for index, factor in enumerate(order):
        listener(Tick("train: general ability", index, len(FACTORS), f"what was learnt, times {factor}"))
        rescale(factor)
        mean, low = general.lower_bound(learner)
        tried[factor] |= {"mean_log_ratio": mean, "low": low}
        if low > -MARGIN:
            place = "the first" if index else "it"
            return Scale(
                factor, f"{why}{place} keeps general text within 1 % (lower bound {low:+.4f})", tuple(tried.values())
            )
    rescale(order[0])
    return Scale(order[0], f"{why}no factor keeps general text within 1 %", tuple(tried.values()))


def _order(seen: Mapping[float, Seen], validation: Validation) -> list[float]:
    """Factors to prefer on validation: those not clearly worse than the best, largest first; then the others."""
    if not seen:
        return list(FACTORS)
    losses = {factor: one.loss if math.isfinite(one.loss) else math.inf for factor, one in seen.items()}
    best = seen[min(losses, key=losses.__getitem__)]
    even = [factor for factor in FACTORS if not validation.is_worse(seen[factor].nats, best.nats)]
    return even + sorted(set(FACTORS) - set(even), key=losses.__getitem__)


def _served(order: Sequence[float], seen: Mapping[float, Seen]) -> str:
    told = f"validation {seen[order[0]].loss:.4g} with {order[0]:g}"
    return told if order[0] == 1 else f"{told}, {seen[1.0].loss:.4g} with all of it"
