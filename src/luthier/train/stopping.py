"""What validation has shown so far, and when to stop."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class History:
    """Everything about a run that later steps depend on besides the weights; plain JSON in checkpoints."""

    step: int = 0
    best_step: int = 0
    best_loss: float | None = None
    validations_since_best: int = 0
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

    def note_validation(self, loss: float, *, patience: int) -> bool:
        """Record a validation after `self.step`; True if it is the best so far."""
        if math.isfinite(loss) and (self.best_loss is None or loss < self.best_loss):
            self.best_loss, self.best_step, self.validations_since_best = loss, self.step, 0
            return True
        self.validations_since_best += 1
        self.stopped_early = self.validations_since_best >= patience
        return False

    def in_words(self) -> str:
        """What happened, for a person."""
        if self.went_back_at is None:
            return self._ending()
        return f"diverged at step {self.went_back_at} and went on from before with half the rate; {self._ending()}"

    def _ending(self) -> str:
        if self.best_loss is None:
            return f"all {self.step} steps done; there were no validation rows to choose a better step by"
        if self.stopped_early:
            return (
                f"validation loss did not fall below that of step {self.best_step} for "
                f"{self.validations_since_best} validations: stopped at step {self.step}, step {self.best_step} kept"
            )
        if self.best_step != self.step:
            return f"all {self.step} steps done; step {self.best_step} was best on validation and is kept"
        return f"all {self.step} steps done; validation was still improving at the last one"
