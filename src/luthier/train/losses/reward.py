"""Reward: a number for every answer, larger for the better of two."""

# P pairs

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from luthier.errors import UserError
from luthier.models.classify import Logits, choose_logits, last_token_logits
from luthier.models.forward import TokenRows, packed_states
from luthier.models.load import Loaded
from luthier.models.tree import choose_tree, tree_states
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of texts, and shared beginnings, where this architecture gives the same numbers so.

    UserError for answers that were rated one by one.
    """
    if any(lesson.rated):
        raise UserError(
            f"objective 'reward' learns from pairs of answers, and {sum(lesson.rated):,} rows hold one rated answer. "
            "Use objective: prefer"
        )
    logits, reason = choose_logits(loaded.model, sample, pad_id=lesson.wording.pad_id)
    if logits is not last_token_logits:
        return Way(RewardLoss(logits), reason)
    refusal = choose_tree(loaded.model, sample, forward=packed_states)
    shared = RewardLoss(partial(last_token_logits, forward=tree_states)) if refusal is None else None
    return Way(RewardLoss(logits), reason, shared=shared, refusal=refusal)


class RewardLoss:
    """-log sigma(reward of the better - reward of the worse) (Bradley and Terry 1952; Ouyang et al. 2022,
    arXiv:2203.02155, eq. 1); the unit of a step's mean is one pair.
    """

    def __init__(self, logits: Logits) -> None:
        self.logits = logits

    def units(self, rows: Sequence[Worded]) -> int:
        """Pairs among these rows."""
        return len(rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; a model that only judges has no general ability to be reminded of."""
        assert reminder is None
        return Summed(self._nats(model, rows).sum(), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each pair, without gradient."""
        return [float(value) for value in self._nats(model, rows)]

    def _nats(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        rewards_P2 = self.logits(model, [text for row in rows for text in row.texts]).double().view(-1, 2)
        return -F.logsigmoid(rewards_P2[:, 0] - rewards_P2[:, 1])
