"""Classify: cross-entropy over the labels of a text."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, tensor

from luthier.models.classify import Logits
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.replay import Reminder


class ClassifyLoss:
    """Nats per text; the unit of a step's mean is one text."""

    def __init__(self, logits: Logits) -> None:
        self.logits = logits

    def units(self, rows: Sequence[Worded]) -> int:
        """Texts among these rows."""
        return len(rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; a classifier has no general ability to be reminded of."""
        assert reminder is None
        return Summed(F.cross_entropy(*self._judged(model, rows), reduction="sum"), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        return [float(value) for value in F.cross_entropy(*self._judged(model, rows), reduction="none").double()]

    def _judged(self, model: Any, rows: Sequence[Worded]) -> tuple[Tensor, Tensor]:
        return self.logits(model, [row.ids for row in rows]), tensor([row.label for row in rows])
