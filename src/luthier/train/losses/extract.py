"""Extract: cross-entropy over the tokens of a row for where the answer starts, and for where it ends.

Devlin et al. 2018 (arXiv:1810.04805, section 4.2); a question without an answer points at the row's first token
(section 4.3).
"""

# B rows, L longest row

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from luthier.models.forward import TokenRows
from luthier.models.load import Loaded
from luthier.models.tokens import TokenLogits, choose_token_logits
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of rows where this architecture gives the same numbers so."""
    logits, reason = choose_token_logits(loaded.model, sample, pad_id=lesson.wording.pad_id)
    return Way(ExtractLoss(logits), reason)


class ExtractLoss:
    """Mean nats of an answer's two ends; the unit of a step's mean is one question."""

    def __init__(self, logits: TokenLogits) -> None:
        self.logits = logits

    def units(self, rows: Sequence[Worded]) -> int:
        """Questions among these rows."""
        return len(rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; an extractor has no general ability to be reminded of."""
        assert reminder is None
        return Summed(self._nats(model, rows).sum(), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        return [float(value) for value in self._nats(model, rows).double()]

    def _nats(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        """[B]"""
        logits = self.logits(model, [row.ids for row in rows], [row.ends[0] for row in rows])
        parts = logits.split([len(row.ids) for row in rows])
        padded_BL2 = pad_sequence(parts, batch_first=True, padding_value=float("-inf"))
        gold = torch.tensor([row.labels for row in rows])
        return F.cross_entropy(padded_BL2, gold, reduction="none").mean(dim=1)
