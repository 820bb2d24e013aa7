"""What validation has shown so far, and when to stop."""

import math
from dataclasses import dataclass, field
from typing import Any

AVERAGED = 3
"""Validated steps, the last of a run, whose mean is tried."""


@dataclass(slots=True)
class History:
    """Everything about a run that later steps depend on besides the weights; plain JSON in checkpoints."""

    step: int = 0
    best_step: int = 0
    best_loss: float | None = None
    best_nats: list[float] = field(default_factory=list)
    """Of each validation row at the best step."""
    base_loss: float | None = None
    """Validation before the first step."""
    worse: int = 0
    """Validations in a row that were clearly worse than the best."""
    recent: list[int] = field(default_factory=list)
    """The last validated steps."""
    averaged: list[int] = field(default_factory=list)
    """Steps whose mean ships; empty if the best step does."""
    lowest: int | None = None
    """The step with the lowest loss, where a later one that is as good within its error counts as the best."""
    skipped: int = 0
    """Steps whose loss or gradient was not finite."""
    skipped_in_a_row: int = 0
    rate_scale: float = 1.0
    """Halved once if training diverges."""
    milestone: int = 0
    """Last step with a checkpoint to which training goes back if it diverges."""
    went_back_at: int | None = None
    """The step at which it did."""
    threads: int = 0
    """Threads that computed; with another number sums are rounded in another order."""
    stopped_early: bool = False
    curve: list[dict[str, Any]] = field(default_factory=list)

    def note_validation(self, loss: float, nats: list[float], *, is_worse: bool, patience: int) -> None:
        """Record a validation after `self.step`, and whether it is clearly worse than the best."""
        self.recent = [*self.recent, self.step][-AVERAGED:]
        if math.isfinite(loss) and (self.best_loss is None or loss < self.best_loss):
            self.best_loss, self.best_nats, self.best_step, self.worse = loss, nats, self.step, 0
            return
        self.worse = self.worse + 1 if is_worse or not math.isfinite(loss) else 0
        self.stopped_early = self.worse >= patience

    def prefer_last(self) -> None:
        """Let the last validated step count as the best, unless it is clearly worse, or no better than the untrained.

        The lowest of many losses on few rows is lowest by luck, too; where the schedule ends was chosen before.
        """
        step = self.recent[-1]
        loss = next(point["validation_loss"] for point in reversed(self.curve) if point["step"] == step)
        has_learnt = self.base_loss is None or loss < self.base_loss
        if self.best_step not in {0, step} and not self.worse and has_learnt:
            self.lowest, self.best_step, self.best_loss = self.best_step, step, loss

    @property
    def shipped(self) -> list[int]:
        """Steps whose weights, or their mean, ship."""
        return self.averaged or [self.best_step]

    @property
    def lowest_step(self) -> int:
        """The validated step with the lowest loss: `best_nats` are its."""
        return self.best_step if self.lowest is None else self.lowest

    def in_words(self) -> str:
        """What happened, for a person."""
        if self.went_back_at is None:
            return self._ending()
        return f"diverged at step {self.went_back_at} and went on from before with half the rate; {self._ending()}"

    def events(self) -> list[dict[str, Any]]:
        """Steps at which something happened."""
        rates = [point.get("rate") or 0.0 for point in self.curve]
        found = [{"step": self.curve[rates.index(max(rates))]["step"], "what": "warmed up"}] if self.curve else []
        found += (
            [{"step": self.went_back_at, "what": "diverged and went back"}] if self.went_back_at is not None else []
        )
        found += [{"step": self.lowest_step, "what": "best held out"}] if self.best_loss is not None else []
        return found + ([{"step": self.step, "what": "stopped early"}] if self.stopped_early else [])

    def _ending(self) -> str:
        if self.best_loss is None:
            return f"all {self.step} steps done; there were no validation rows to choose a better step by"
        kept = f"step {self.best_step} kept" if self.best_step else "nothing of what was learnt is kept"
        if self.averaged:
            kept = f"the mean of steps {', '.join(map(str, self.averaged))} is better than any step, and kept"
        if self.stopped_early:
            return (
                f"validation was worse than at step {self.best_step} {self.worse} times in a row: "
                f"stopped at step {self.step}, {kept}"
            )
        if self.lowest is not None:
            why = f"step {self.lowest} was lowest on validation, but step {self.best_step} is as good within the error"
            return f"all {self.step} steps done; {why}, and kept"
        if self.best_step != self.step:
            return f"all {self.step} steps done; step {self.best_step} was best on validation, {kept}"
        return f"all {self.step} steps done; validation was best at the last one, {kept}"
