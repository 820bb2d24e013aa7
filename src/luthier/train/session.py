"""One training run: the hooks that validate, save, recover and tell."""

import math
import signal
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from luthier.errors import LuthierError, StoppedError
from luthier.records import Tick, Worded
from luthier.train.batches import StepPlan, Steps, validation_steps
from luthier.train.checkpoint import Checkpoint, CheckpointStore
from luthier.train.learner import Learned
from luthier.train.loop import train_loop
from luthier.train.setup import Setup
from luthier.train.signals import StopRequest, listening
from luthier.train.stopping import History

DIVERGED = 3
"""Steps in a row without a finite loss after which training goes back."""


@dataclass(slots=True)
class Session:
    """What the hooks of one training run share."""

    setup: Setup
    store: CheckpointStore
    steps: Steps
    validation: list[Worded]
    history: History = field(default_factory=History)
    marks: set[int] = field(default_factory=set)
    request: StopRequest = field(default_factory=StopRequest)
    tokens: int = 0
    start: Checkpoint | None = None
    """The untrained state, to go back to while there is no checkpoint."""
    saved_at: float = 0.0
    started_at: float = 0.0

    def run(self) -> None:
        """Continue from the newest checkpoint, or start; leave with the best weights in the model."""
        last = self.store.newest()
        if last is not None:
            self._take(last)
        else:
            self.start = self._checkpoint()
        self.marks = validation_steps(self.steps) if self.validation else set()
        self.saved_at = self.started_at = time.monotonic()
        with listening() as self.request:
            train_loop(
                self.setup.learner,
                self.steps,
                history=self.history,
                after_step=[self.recover, self.validate, self.tell, self.save],
            )
        if self.history.best_loss is not None and self.history.best_step != self.history.step:
            self._take_best()

    def recover(self, _plan: StepPlan, _learned: Learned) -> None:
        """After three steps in a row that were not finite, go back to the last checkpoint, or the start, with half
        the rate, once.
        """
        if self.history.skipped_in_a_row < DIVERGED:
            return
        last = self.store.newest() or self.start
        if self.history.rate_scale < 1 or last is None:
            raise LuthierError(
                f"training diverged at step {self.history.step}: the loss is not finite, and half the learning rate "
                "did not help. Lower train.learning_rate, or look at the rows: luthier show mask RUN"
            )
        self._take(last)
        self.history.rate_scale = 0.5

    def validate(self, plan: StepPlan, learned: Learned) -> None:
        """Add the step to the curve; where the plan says so, score the validation rows."""
        if self.history.step != plan.index:
            return
        point: dict[str, Any] = {"step": plan.index, "loss": learned.loss, "drift": learned.drift, "rate": learned.rate}
        if plan.index in self.marks and not learned.skipped:
            learner = self.setup.learner
            loss = sum(learner.score(self.validation)) / learner.loss.units(self.validation)
            self.history.note_validation(loss, patience=self.setup.config.patience)
            point["validation_loss"] = loss
            self.saved_at = -math.inf
        self.history.curve.append(point)

    def tell(self, plan: StepPlan, learned: Learned) -> None:
        """Report progress."""
        self.tokens += learned.tokens
        speed = self.tokens / max(1e-9, time.monotonic() - self.started_at)
        best = "" if self.history.best_loss is None else f", validation {self.history.best_loss:.3f}"
        loss = "step skipped, not finite" if learned.loss is None else f"loss {learned.loss:.3f}"
        note = f"{loss}{best}, {speed:.0f} tokens/s"
        self.setup.listener(Tick("train", plan.index, len(self.steps), note))

    def save(self, _plan: StepPlan, _learned: Learned) -> None:
        """Commit when a validation asked for it, when the last checkpoint is old, or before stopping on a signal.

        A checkpoint stands for a good state to go back to, so it waits while steps are being skipped.
        """
        due = time.monotonic() - self.saved_at > 60 * self.setup.config.checkpoint_minutes
        if (due and not self.history.skipped_in_a_row) or self.request.number is not None:
            self.store.commit(self._checkpoint(), best=self.history.best_step)
            self.saved_at = time.monotonic()
        if self.request.number is not None:
            name = signal.Signals(self.request.number).name
            raise StoppedError(
                f"stopped by {name} after step {self.history.step} of {len(self.steps)}; a checkpoint is written. "
                "Run the same command again to continue.",
                signal_number=self.request.number,
            )

    def _checkpoint(self) -> Checkpoint:
        tensors = {name: value.clone() for name, value in self.setup.learner.state().items()}
        return Checkpoint(step=self.history.step, tensors=tensors, history=asdict(self.history))

    def _take_best(self) -> None:
        best = self.store.at(self.history.best_step)
        if best is None:
            raise LuthierError(
                f"{self.store.folder}: the checkpoint of the best step, {self.history.best_step}, is gone or damaged. "
                "Remove this folder and run the same command again."
            )
        self.setup.learner.restore_weights(best.tensors)

    def _take(self, checkpoint: Checkpoint) -> None:
        self.setup.learner.restore(checkpoint.tensors)
        for name, value in checkpoint.history.items():
            setattr(self.history, name, value)
