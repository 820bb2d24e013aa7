"""One optimizer step: accumulate over micro-batches, stay close to the base, clip, update."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from luthier.records import Listener, Worded
from luthier.train.batches import Cut, StepPlan, cut_by_length
from luthier.train.optimizer import AdamW
from luthier.train.replay import Reminder, Replay
from luthier.train.rows import sizes_of
from luthier.train.schedule import rate_factor
from luthier.train.stopping import History

Dress = Callable[[Worded, int], Worded]
"""A row, and the step that learns from it (from 1; 0 is validation) -> the row as the loss reads it. Pure: whoever
asks again, in whatever micro-batch, gets the same."""


def as_it_is(row: Worded, _step: int) -> Worded:
    """What most objectives make of a row."""
    return row


class Summed(NamedTuple):
    """Two differentiable scalars."""

    nats: Tensor
    drift: Tensor | None
    """What the reminder's rows add to the step's mean KL(base || tuned) per token; None without a reminder."""


class Loss(Protocol):
    """One objective's loss (`losses/<objective>.py`)."""

    def units(self, rows: Sequence[Worded]) -> int:
        """Size of the denominator of these rows."""

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats, and how far the model is from the base on the reminder's rows."""

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row."""


@runtime_checkable
class LooksAhead(Protocol):
    """A loss that must see all rows of a step, or of a validation, before the first micro-batch."""

    def look_ahead(self, model: Any, held: Mapping[int, Worded], *, among: Sequence[Worded], cut: Cut) -> None:
        """Look at rows, given by their number `among` others."""


@runtime_checkable
class RemembersBase(Protocol):
    """A loss that compares with the base, which a training of every weight leaves nothing of."""

    def remember_base(self, model: Any, rows: Sequence[Worded], *, cut: Cut, kept: Path, listener: Listener) -> None:
        """Work out what the base makes of these rows, or take what was kept under this name."""


@runtime_checkable
class Answers(Protocol):
    """A loss whose rows are answered, right or wrong."""

    def right(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """1 for each row that the model would answer as it is, to the token; else 0."""


@runtime_checkable
class Writes(Protocol):
    """A loss that learns from what the model itself writes."""

    def write(self, held: Mapping[int, Worded], *, step: int) -> dict[int, Worded]:
        """What a step learns from, by number, in place of the rows it was planned with."""

    def told(self) -> dict[str, float]:
        """Of that step, when it is done: the `loss` of its curve, and more by name."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What one step did."""

    loss: float | None
    """Nats per unit before the update (chat: per trained token; classify: per text), or what else falls as the model
    learns (reinforce: reward missed); None if the step was skipped."""
    tokens: int
    """Real tokens computed, replay left out."""
    drift: float | None
    """KL(base || tuned) in nats per token on this step's replay rows."""
    norm: float | None
    """Of the gradients, before they were clipped."""
    rate: float
    skipped: bool
    told: Mapping[str, float] = field(default_factory=dict)
    """What else the loss counted, by name."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast to learn."""

    learning_rate: float
    warmup: float
    weight_decay: float
    clip: float
    micro_batch_tokens: int
    lora_plus: float = 1.0
    """How many times the rate of an adapter's A its B has (Hayou et al. 2024, arXiv:2402.12354)."""


class Learner:
    """The model, its trainable weights and their optimizer."""

    def __init__(self, model: Any, rows: Sequence[Worded], *, loss: Loss, pace: Pace) -> None:
        self.model = model.train()
        self.rows = rows
        self.lengths = self.counted = sizes_of(rows).lengths
        """Tokens of each row, and how many of them its step was planned with: siblings share a beginning."""
        self.cut: Cut = partial(cut_by_length, tokens=pace.micro_batch_tokens)
        self.loss = loss
        self.pace = pace
        self.replay: Replay | None = None
        self.dress: Dress = as_it_is
        trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        ratios = {name: pace.lora_plus for name in trained if name.endswith(".lora_B")}
        self.optimizer = AdamW(trained, decay=pace.weight_decay, ratios=ratios)

    def learn(self, plan: StepPlan, *, of: int, history: History) -> Learned:
        """Learn from one step's rows; a step whose loss or gradient is not finite changes nothing."""
        rate = self.pace.learning_rate * history.rate_scale * rate_factor(plan.index, steps=of, warmup=self.pace.warmup)
        rows = {row: self.dress(self.rows[row], plan.index) for row in plan.rows}
        if isinstance(self.loss, Writes):
            rows = self.loss.write(rows, step=plan.index)
        units = self.loss.units(list(rows.values()))
        tokens = sum(len(row.ids) for row in rows.values())
        counted = int(self.counted[list(plan.rows)].sum())
        reminder = self.replay.remind(step=plan.index, tokens=counted) if self.replay else None
        if isinstance(self.loss, LooksAhead):
            self.loss.look_ahead(self.model, rows, among=self.rows, cut=self.cut)
        total = 0.0
        drift = None if reminder is None else 0.0
        pieces = self.cut(rows)
        parts = [None] * len(pieces) if reminder is None else reminder.split(len(pieces))
        for piece, part in zip(pieces, parts, strict=True):
            summed = self.loss.sum(self.model, [rows[row] for row in piece], reminder=part)
            wanted = summed.nats / units
            if summed.drift is not None:
                wanted = wanted + summed.drift
                drift = (drift or 0.0) + float(summed.drift.detach())
            wanted.backward()
            total += float(summed.nats.detach())
        finite = math.isfinite(total) and self.optimizer.step(rate=rate, clip=self.pace.clip)
        self.optimizer.forget()
        told = self.loss.told() if isinstance(self.loss, Writes) else {"loss": total / units}
        history.skipped += not finite
        history.skipped_in_a_row = 0 if finite else history.skipped_in_a_row + 1
        return Learned(
            loss=told.pop("loss") if finite else None,
            tokens=tokens,
            drift=drift if finite else None,
            norm=self.optimizer.norm if finite else None,
            rate=rate,
            skipped=not finite,
            told=told if finite else {},
        )

    def score(self, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row under the present weights."""
        return self._measured(rows, self.loss.score)

    def right(self, rows: Sequence[Worded]) -> list[float] | None:
        """Whether each row is answered right under the present weights; None where nothing is right or wrong."""
        return self._measured(rows, self.loss.right) if isinstance(self.loss, Answers) else None

    def _measured(self, rows: Sequence[Worded], measure: Callable[[Any, Sequence[Worded]], list[float]]) -> list[float]:
        self.model.eval()
        found, held = [0.0] * len(rows), dict(enumerate(rows))
        with torch.no_grad():
            if isinstance(self.loss, LooksAhead):
                self.loss.look_ahead(self.model, held, among=rows, cut=self.cut)
            for piece in self.cut(held):
                values = measure(self.model, [rows[index] for index in piece])
                for index, value in zip(piece, values, strict=True):
                    found[index] = value
        self.model.train()
        return found

    def state(self) -> dict[str, Tensor]:
        """Weights and optimizer as named tensors: all that the next step depends on, besides the history."""
        return {**self.optimizer.state(), "random": torch.get_rng_state()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `state` returned, bit for bit."""
        self.optimizer.restore(tensors)
        torch.set_rng_state(tensors["random"])

    def restore_weights(self, *states: Callable[[], Mapping[str, Tensor]]) -> None:
        """Take only the weights of a saved state, or their mean over several.

        Izmailov et al. 2018, arXiv:1803.05407.
        """
        self.optimizer.restore_weights(*states)

    def close(self) -> None:
        """Give back what only learning needs."""
        self.optimizer.close()
