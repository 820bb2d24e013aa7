"""One training run: the hooks that validate, save, recover and tell."""

import math
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from luthier.errors import DiskFullError, DivergedError, LuthierError, StoppedError
from luthier.records import Tick
from luthier.train.batches import StepPlan, Steps
from luthier.train.checkpoint import Checkpoint, CheckpointStore, StoredWeights
from luthier.train.diagnosis import Circumstances, diagnose
from luthier.train.journal import Journal
from luthier.train.learner import Learned
from luthier.train.loop import train_loop
from luthier.train.setup import Setup
from luthier.train.signals import StopRequest, listening
from luthier.train.stopping import AVERAGED, History
from luthier.train.validation import Validation, validation_steps

DIVERGED = 3
"""Steps in a row without a finite loss after which training goes back."""
SPACE_PATIENCE = 30 * 60.0
"""Seconds that a run waits for space on a full disk before it stops."""
SPACE_EVERY = 5.0
"""Seconds between its attempts to write."""


@dataclass(slots=True)
class Session:
    """What the hooks of one training run share."""

    setup: Setup
    store: CheckpointStore
    steps: Steps
    validation: Validation
    history: History = field(default_factory=History)
    milestones: set[int] = field(default_factory=set)
    """Steps after which to validate and to save. Training that diverges goes back to one of them, because when other
    checkpoints are written is a matter of time, and two runs must go back to the same step."""
    told: set[str] = field(default_factory=set)
    """What was said of the curve."""
    request: StopRequest = field(default_factory=StopRequest)
    journal: Journal = field(init=False)
    tokens: int = 0
    saved: int = 0
    """Step of the last checkpoint."""
    saved_at: float = 0.0
    started_at: float = 0.0

    def run(self, journal: Journal) -> None:
        """Continue from the newest checkpoint, or start; leave with the best weights in the model."""
        self.journal = journal
        self.milestones = validation_steps(self.steps)
        self.history.threads = torch.get_num_threads()
        last = self.store.newest()
        if last is not None:
            self._continue(last)
        with listening() as self.request, self.journal.kept(self.history.curve):
            if last is None:
                self._begin()
            self.saved_at = self.started_at = time.monotonic()
            self._train()
            while name := self._not_finite():
                self._go_back(f"{name} is not finite")
                self._train()
            if self.request.number is not None:  # it came while the last step was saved
                raise self._stopped(f"the checkpoint of step {self.saved} is written")
        self._keep_best()
        self.setup.learner.close()

    def recover(self, _plan: StepPlan, _learned: Learned) -> None:
        """After three steps in a row that were not finite, go back."""
        if self.history.skipped_in_a_row >= DIVERGED:
            self._go_back("the loss is not finite")

    def validate(self, plan: StepPlan, learned: Learned) -> None:
        """Add the step to the curve; where the plan says so, score the validation rows."""
        if self.history.step != plan.index:
            return
        point: dict[str, Any] = {"step": plan.index, "epoch": plan.epoch, "rate": learned.rate}
        point |= {"loss": learned.loss, "drift": learned.drift, "norm": learned.norm, **learned.told}
        if self.validation.rows and plan.index in self.milestones and not learned.skipped:
            point |= self._look()
        self._note(point)

    def tell(self, plan: StepPlan, learned: Learned) -> None:
        """Report progress."""
        self.tokens += learned.tokens
        speed = self.tokens / max(1e-9, time.monotonic() - self.started_at)
        best = "" if self.history.best_loss is None else f", validation {self.history.best_loss:.3f}"
        loss = "step skipped, not finite" if learned.loss is None else f"loss {learned.loss:.3f}"
        note = f"{loss}{best}, {speed:.0f} tokens/s"
        self.setup.listener(Tick("train", plan.index, len(self.steps), note))

    def save(self, plan: StepPlan, _learned: Learned) -> None:
        """Commit at every milestone, when the last checkpoint is old, and before stopping on a signal.

        A checkpoint stands for a good state, so it waits while steps are being skipped.
        """
        asked = self.request.number is not None
        milestone = plan.index == self.history.step and plan.index in self.milestones
        due = time.monotonic() - self.saved_at > 60 * self.setup.config.checkpoint_minutes
        if (milestone or due or asked) and not self.history.skipped_in_a_row:
            name = self._not_finite()
            if name:
                self._go_back(f"{name} is not finite")
            else:
                self.history.milestone = plan.index if milestone else self.history.milestone
                self._commit()
        if asked:
            raise self._stopped(f"the checkpoint of step {self.saved} is written")

    def _begin(self) -> None:
        """Score the untrained model, which everything later is measured by, and save it."""
        if self.validation.rows:
            seen = self._look()
            self.history.base_loss = seen["validation_loss"]
            self._note({"step": 0, "epoch": 0.0, **seen})
        self._commit()

    def _look(self) -> dict[str, float | None]:
        """Score the validation rows; what the curve keeps of it."""
        loss, nats = self.validation.look(self.setup.learner)
        is_worse = bool(self.history.best_nats) and self.validation.is_worse(nats, self.history.best_nats)
        self.history.note_validation(loss, nats, is_worse=is_worse, patience=self.setup.config.patience)
        return {
            "validation_loss": loss if math.isfinite(loss) else None,
            "bits_per_byte": self.validation.bits_per_byte(nats),
        }

    def _note(self, point: dict[str, Any]) -> None:
        """Add a point to the curve, and say what it shows if that is bad."""
        self.history.curve.append(point)
        self.journal.add(point)
        if "validation_loss" not in point:
            return
        about = Circumstances(rows=len(self.setup.learner.rows), ended=False, went_back_at=self.history.went_back_at)
        for finding in diagnose(self.history.curve, about):
            if finding.kind not in self.told:
                self._say(f"{finding.kind}: {finding.words}")
            self.told.add(finding.kind)

    def _keep_best(self) -> None:
        """Leave the mean of the last validated steps in the model if it is the best of all on validation.

        Else the last validated step, unless it is clearly worse than the best one: then that.
        """
        history, learner = self.history, self.setup.learner
        if history.best_loss is None:
            return
        if len(history.recent) == AVERAGED:
            self.take_weights(history.recent)
            loss = self.validation.look(learner).loss
            if loss < history.best_loss:
                history.best_loss, history.averaged = loss, history.recent
                return
        history.prefer_last()
        if history.best_step != history.step or len(history.recent) == AVERAGED:
            self.take_weights([history.best_step])

    def take_weights(self, steps: Sequence[int]) -> None:
        """Put the weights of one saved step, or the mean over several, into the model."""
        self.setup.learner.restore_weights(*(partial(self._weights, step) for step in steps))

    def _weights(self, step: int) -> StoredWeights:
        found = self.store.weights(step)
        if found is None:
            raise self._lost(step)
        return found

    def _train(self) -> None:
        hooks = [self.recover, self.validate, self.tell, self.save]
        train_loop(self.setup.learner, self.steps, history=self.history, after_step=hooks)

    def _commit(self) -> None:
        """Write a checkpoint. While the disk is full, training is paused, and the old checkpoint stays as it is."""
        needs = {self.history.milestone, *self.history.recent}
        needs |= {self.history.best_step} if self.history.best_loss is not None else set()
        checkpoint = Checkpoint(self.history.step, self.setup.learner.state(), asdict(self.history))
        paused_at = time.monotonic()
        while True:
            try:
                self.store.commit(checkpoint, needs=needs)
                break
            except DiskFullError as error:
                if self.request.number is not None:
                    raise self._stopped(f"the disk is full, so step {self.saved} is the last checkpoint") from error
                if time.monotonic() - paused_at >= SPACE_PATIENCE:
                    raise
                self._say(
                    f"paused after step {self.history.step}: the disk of {self.store.folder} is full. Free some space "
                    f"and training goes on by itself; the checkpoint of step {self.saved} is intact"
                )
            self.request.wait(SPACE_EVERY)
        self.saved, self.saved_at = self.history.step, time.monotonic()

    def _stopped(self, kept: str) -> StoppedError:
        name = signal.Signals(self.request.number or 0).name
        return StoppedError(
            f"stopped by {name} after step {self.history.step} of {len(self.steps)}; {kept}. "
            "Run the same command again to continue.",
            signal_number=self.request.number or 0,
        )

    def _not_finite(self) -> str | None:
        """Name of a part of the state that holds a NaN or an infinity."""
        for name, value in self.setup.learner.state().items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                return name
        return None

    def _go_back(self, what: str) -> None:
        """Return to the last milestone with half the rate, once; DivergedError the second time."""
        step, skipped, milestone = self.history.step, self.history.skipped, self.history.milestone
        if self.history.rate_scale < 1:
            raise DivergedError(
                f"training diverged at step {step}: {what}, and half the learning rate did not help. "
                "Lower train.learning_rate, or look at the rows: luthier show mask RUN"
            )
        good = self.store.at(milestone)
        if good is None:
            raise self._lost(milestone)
        self.store.discard_after(milestone)
        self._take(good)
        self.history.rate_scale, self.history.skipped, self.history.went_back_at = 0.5, skipped, step
        self._say(f"diverged at step {step} ({what}): went back to step {milestone}, with half the learning rate")

    def _lost(self, step: int) -> LuthierError:
        return LuthierError(
            f"{self.store.folder}: the checkpoint of step {step} is gone or damaged, and this run needs it. "
            "Run the same command again: training goes on from what is left."
        )

    def _continue(self, last: Checkpoint) -> None:
        threads = self.history.threads
        self._take(last)
        self.saved = last.step
        if self.history.threads != threads:
            self._say(
                f"continues on {threads} threads what began on {self.history.threads}: sums are rounded in another "
                "order, so the result will differ in its last digits from that of an unbroken run"
            )
            self.history.threads = threads

    def _take(self, checkpoint: Checkpoint) -> None:
        self.setup.learner.restore(dict(checkpoint.tensors))
        for name, value in checkpoint.history.items():
            setattr(self.history, name, value)

    def _say(self, note: str) -> None:
        self.setup.listener(Tick("train", 0, 0, note))
