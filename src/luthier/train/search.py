"""The learning rate by trial: successive halving on validation (Jamieson & Talwalkar 2016, arXiv:1502.07943)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from luthier.artifacts.kept import keep, read_kept
from luthier.config import Resolved
from luthier.errors import UserError
from luthier.records import Listener, Tick
from luthier.train.batches import StepPlan
from luthier.train.learner import Learner
from luthier.train.loop import train_loop
from luthier.train.stopping import History
from luthier.train.validation import Validation

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the rate that `auto` would take."""
RUNGS = ((16, 5), (8, 2))
"""Share of the run's steps (one part in so many) that each trial of a rung takes, and how many rates come so far."""
FEWEST = 8
"""Steps of a trial at least."""


def search_rate(
    learner: Learner, steps: Sequence[StepPlan], validation: Validation, *, folder: Path, listener: Listener
) -> Resolved[float]:
    """Try five rates in short runs with whole schedules, the best two of them in longer ones, and take the best.

    Every trial begins with the same weights and rows. Finished ones are kept in `folder`, so whoever is stopped goes on
    with the next. The learner is left as it was.
    """
    if not validation.rows:
        raise UserError(
            "train.learning_rate: search needs validation rows. Raise prepare.split.validation, or use auto"
        )
    start = {name: value.clone() for name, value in learner.state().items()}
    pace = learner.pace
    rates = [float(f"{factor * pace.learning_rate:.2g}") for factor in FACTORS]
    told: list[str] = []
    for rung, (part, count) in enumerate(RUNGS):
        length = min(len(steps), max(FEWEST, len(steps) // part))
        losses: dict[float, float] = {}
        for place, rate in enumerate(rates[:count]):
            listener(Tick("train: learning rate", place, count, f"{rate:g} for {length} steps"))
            path = folder / f"rate-{rung}-{place}.json"
            found = read_kept(path, listener=listener)
            if found is None:
                learner.pace = replace(pace, learning_rate=rate)
                found = _trial(learner, steps[:length], validation)
                learner.restore(start)
                keep(path, found)
            losses[rate] = math.inf if found["loss"] is None else found["loss"]
        learner.pace = pace
        rates = sorted(losses, key=lambda rate: (losses[rate], rate))
        told.append(f"{length} steps: " + ", ".join(f"{rate:g} -> {losses[rate]:.4g}" for rate in sorted(losses)))
    return Resolved(rates[0], f"validation loss after {'; '.join(told)}")


def _trial(learner: Learner, steps: Sequence[StepPlan], validation: Validation) -> dict[str, float | None]:
    """A short run; its loss is None if it left the finite numbers."""
    history = History()
    train_loop(learner, steps, history=history)
    loss = validation.look(learner).loss
    return {"loss": None if history.skipped or not math.isfinite(loss) else loss}
