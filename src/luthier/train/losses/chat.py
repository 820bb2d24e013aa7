"""Chat: next-token cross-entropy on what the assistant writes, its end of turn included."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from luthier.models.engines.hf import labelled_positions
from luthier.models.forward import Forward
from luthier.models.fused import labelled_loss, token_nats
from luthier.models.load import head_weight
from luthier.records import Worded


class ChatLoss:
    """Nats over trained tokens; the unit of a step's mean is one trained token."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    def units(self, rows: Sequence[Worded]) -> int:
        """Trained tokens of these rows."""
        return sum(sum(row.trained) for row in rows)

    def sum(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        """Differentiable sum of nats (float64 scalar)."""
        states, targets = self._labelled(model, rows)
        return labelled_loss(states, head_weight(model), targets)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        positions, targets, owners = labelled_positions(rows)
        states = self.forward(model, [row.ids for row in rows])[positions]
        nats = token_nats(states, head_weight(model), targets).double()
        return [float(value) for value in torch.zeros(len(rows), dtype=torch.float64).index_add_(0, owners, nats)]

    def _labelled(self, model: Any, rows: Sequence[Worded]) -> tuple[Tensor, Tensor]:
        positions, targets, _ = labelled_positions(rows)
        return self.forward(model, [row.ids for row in rows])[positions], targets
