"""Classify: cross-entropy over the labels of a text."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, tensor

from luthier.models.forward import pad_rows
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.replay import Reminder


class ClassifyLoss:
    """Nats per text; the unit of a step's mean is one text."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def units(self, rows: Sequence[Worded]) -> int:
        """Texts among these rows."""
        return len(rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; a classifier has no general ability to be reminded of."""
        assert reminder is None
        return Summed(F.cross_entropy(*self._logits(model, rows), reduction="sum"), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        return [float(value) for value in F.cross_entropy(*self._logits(model, rows), reduction="none").double()]

    def _logits(self, model: Any, rows: Sequence[Worded]) -> tuple[Tensor, Tensor]:
        ids, mask = pad_rows([row.ids for row in rows], pad_id=self.pad_id)
        logits: Tensor = model(input_ids=ids, attention_mask=mask).logits.float()
        return logits, tensor([row.label for row in rows])
