"""Classify: cross-entropy over the labels of a text."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, tensor

from luthier.models.classify import Logits, choose_logits, last_token_logits
from luthier.models.forward import TokenRows, packed_states
from luthier.models.load import Loaded
from luthier.models.tree import choose_tree, tree_states
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of texts, and on decoders shared beginnings, where this architecture gives the same numbers so."""
    logits, reason = choose_logits(loaded.model, sample, pad_id=lesson.wording.pad_id)
    if logits is not last_token_logits:
        return Way(ClassifyLoss(logits), reason)
    refusal = choose_tree(loaded.model, sample, forward=packed_states)
    shared = ClassifyLoss(partial(last_token_logits, forward=tree_states)) if refusal is None else None
    return Way(ClassifyLoss(logits), reason, shared=shared, refusal=refusal)


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
        return self.logits(model, [row.ids for row in rows]), tensor([row.labels[0] for row in rows])
