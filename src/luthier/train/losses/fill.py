"""Fill: cross-entropy of hidden words, told from what stands around them.

A step hides words of its rows before it learns (`Way.dress`), so the loss is a function of the rows as it gets them,
and its denominator is exact: the tokens that are hidden.
"""

from collections.abc import Sequence
from typing import Any

import torch

from luthier.errors import UserError
from luthier.models.forward import TokenRows
from luthier.models.load import Loaded
from luthier.models.masked import Hidden, checks_out, choose_hidden, fill_loss, fill_nats, stream_hidden, targets_of
from luthier.models.masks import make_masker
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder

USUAL, MORE = 0.15, 0.3
SHORT = 1_000_000
"""Tokens of a corpus below which more of every text is hidden: what is scarce is text, and a harder task takes more
from each reading of it (Wettig et al. 2023, arXiv:2202.08005)."""


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of texts where this architecture gives the same numbers so; masks are drawn anew in every step."""
    if not checks_out(loaded.model, sample[0]):
        name = type(loaded.model).__name__
        raise UserError(f"{name}: its head does more than multiply by its weights, and the loss would be wrong")
    share, reason = _share(lesson)
    masker = make_masker(lesson.wording, share=share, seed=lesson.config.seed)
    looked_at = [Worded("", "", "", tuple(row), (True,) * len(row), tuple(row)) for row in sample]
    hidden, path = choose_hidden(loaded.model, looked_at, pad_id=lesson.wording.pad_id)
    reasons = {"mask_share": f"{share:.0%} of the tokens, in whole words: {reason}"}
    if loaded.heads:
        reasons["head"] = f"the base's files have no {', '.join(loaded.heads)}: started anew, and trained whole"
    return Way(FillLoss(hidden), path, hidden is stream_hidden, dress=masker, reasons=reasons)


def _share(lesson: Lesson) -> tuple[float, str]:
    if lesson.config.mask_share != "auto":
        return lesson.config.mask_share, "set in the project file"
    tokens = lesson.trained_tokens
    if tokens < SHORT:
        return MORE, f"{tokens:,} tokens of text are few, and a harder task takes more from each reading"
    return USUAL, f"{tokens:,} tokens of text"


class FillLoss:
    """Nats over hidden tokens; the unit of a step's mean is one hidden token."""

    def __init__(self, hidden: Hidden) -> None:
        self.hidden = hidden

    def units(self, rows: Sequence[Worded]) -> int:
        """Hidden tokens of these rows."""
        return sum(sum(row.trained) for row in rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; nothing is to be remembered beside what is read."""
        assert reminder is None
        targets, _ = targets_of(rows)
        return Summed(fill_loss(model, self.hidden(model, rows), targets), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        targets, owners = targets_of(rows)
        nats = fill_nats(model, self.hidden(model, rows), targets).double()
        return [float(value) for value in torch.zeros(len(rows), dtype=torch.float64).index_add_(0, owners, nats)]
