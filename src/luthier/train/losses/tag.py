"""Tag: cross-entropy over the BIO labels of words, each at its first sub-word."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from luthier.models.forward import TokenRows
from luthier.models.load import Loaded
from luthier.models.tokens import TokenLogits, choose_token_logits
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of texts where this architecture gives the same numbers so."""
    logits, reason = choose_token_logits(loaded.model, sample, pad_id=lesson.wording.pad_id)
    return Way(TagLoss(logits), reason)


class TagLoss:
    """Nats over words; the unit of a step's mean is one word."""

    def __init__(self, logits: TokenLogits) -> None:
        self.logits = logits

    def units(self, rows: Sequence[Worded]) -> int:
        """Words of these rows."""
        return sum(len(row.labels) for row in rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; a tagger has no general ability to be reminded of."""
        assert reminder is None
        return Summed(self._nats(model, rows).sum(), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        parts = self._nats(model, rows).double().split([len(row.labels) for row in rows])
        return [float(part.sum()) for part in parts]

    def _nats(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        first = torch.tensor([trained for row in rows for trained in row.trained])
        gold = torch.tensor([label for row in rows for label in row.labels])
        return F.cross_entropy(self.logits(model, [row.ids for row in rows], ())[first], gold, reduction="none")
