"""Classify: cross-entropy over the labels of a text or of two; a yes or no for each where texts can have several."""

# B rows, N labels

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn, tensor

from luthier.errors import UserError
from luthier.models.adapters import LoraLinear
from luthier.models.classify import Logits, choose_logits, last_token_logits, seconds_of
from luthier.models.forward import TokenRows, packed_states
from luthier.models.load import Loaded
from luthier.models.noise import NOISE_DIFFERS, EmbeddingNoise
from luthier.models.tree import choose_tree, tree_states
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder

UNEQUAL = 100
"""Times as many rows of the most frequent label as of the rarest from which labels are weighed."""
HEAVIEST = 20.0
"""Most that a row counts: a label with a handful of rows would drown out all others."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How labels are judged."""

    weights: Tensor | None = None
    """[N], 1 on average over the training rows; None: all alike."""
    smoothing: float = 0.0
    r_drop: float = 0.0
    noise: EmbeddingNoise | None = None

    def over(self, rows: Sequence[Worded]) -> AbstractContextManager[None]:
        """Forward passes over these rows, with noise if it is asked for."""
        return nullcontext() if self.noise is None else self.noise.over([len(row.ids) for row in rows])


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of texts, and on decoders shared beginnings, where this architecture gives the same numbers so."""
    logits, reason = choose_logits(loaded.model, sample, pad_id=lesson.wording.pad_id)
    config = lesson.config
    if config.r_drop and not _drops_out(loaded.model):
        raise UserError("train.r_drop compares passes with unlike dropout, and here is none. Set train.adapter.dropout")
    weights, why = class_weights(lesson.label_rows, wish=config.class_weights)
    noise = EmbeddingNoise(loaded.model, alpha=config.neftune) if config.neftune else None
    terms = Terms(weights, config.label_smoothing, config.r_drop, noise)
    reasons = {"class_weights": why}
    if logits is not last_token_logits:
        return Way(ClassifyLoss(logits, terms), reason, reasons=reasons)
    refusal = NOISE_DIFFERS if noise else choose_tree(loaded.model, sample, forward=packed_states)
    shared = ClassifyLoss(partial(last_token_logits, forward=tree_states), terms) if refusal is None else None
    return Way(ClassifyLoss(logits, terms), reason, shared=shared, refusal=refusal, reasons=reasons)


def class_weights(rows: Sequence[int], *, wish: str) -> tuple[Tensor | None, str]:
    """Weight of each label by its training rows, and why: as many times the mean count as it has, or none."""
    if not rows or wish == "none":
        return None, "none: set in the project file" if rows else "none"
    most, least = max(rows), max(1, min(rows))
    told = f"the most frequent label has {most:,} rows, the rarest {least:,}"
    if wish == "auto" and most < UNEQUAL * least:
        return None, f"none: {told}"
    counts = torch.tensor(rows, dtype=torch.float32).clamp(min=1)
    weights = (counts.mean() / counts).clamp(max=HEAVIEST)
    weights /= (weights * counts).sum() / counts.sum()
    return weights, f"balanced: {told}" + ("" if wish == "auto" else "; set in the project file")


class ClassifyLoss:
    """Nats per text; the unit of a step's mean is one text, whatever its labels weigh.

    Several labels are one yes or no each, and a text's nats are their mean, as in `transformers`. Smoothing: Szegedy
    et al. 2016, arXiv:1512.00567, section 7. R-Drop: half of equation 4 of Liang et al. 2021, arXiv:2106.14448, so that
    the rate means the same with it and without.
    """

    def __init__(self, logits: Logits, terms: Terms | None = None) -> None:
        self.logits = logits
        self.terms = terms or Terms()
        self._plain = replace(self.terms, smoothing=0.0)

    def units(self, rows: Sequence[Worded]) -> int:
        """Texts among these rows."""
        return len(rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; a classifier has no general ability to be reminded of."""
        assert reminder is None
        twice = [*rows, *rows] if self.terms.r_drop else rows
        with self.terms.over(twice):
            logits_BN = self._logits(model, twice)
        nats_B = judge(logits_BN, twice, self.terms)
        if not self.terms.r_drop:
            return Summed(nats_B.sum(), None)
        apart_B = difference(*logits_BN.chunk(2), several=rows[0].score is not None)
        return Summed(nats_B.sum() / 2 + self.terms.r_drop / 2 * apart_B.sum(), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient, smoothing or a second pass."""
        return [float(value) for value in judge(self._logits(model, rows), rows, self._plain).double()]

    def right(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """1 where the likeliest label is the row's, or where just its labels are likelier than not."""
        logits_BN = self._logits(model, rows)
        if rows[0].score is None:
            return [float(found == row.labels[0]) for found, row in zip(logits_BN.argmax(dim=1), rows, strict=True)]
        named = [set(logits_N.gt(0).nonzero().flatten().tolist()) for logits_N in logits_BN]
        return [float(found == set(row.labels)) for found, row in zip(named, rows, strict=True)]

    def _logits(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        return self.logits(model, [row.ids for row in rows], seconds_of(rows))


def judge(logits_BN: Tensor, rows: Sequence[Worded], terms: Terms) -> Tensor:
    """Nats of each row: [B]. Rows with a score can have several labels, or none."""
    weights, smoothing = terms.weights, terms.smoothing
    if rows[0].score is None:
        aims = tensor([row.labels[0] for row in rows])
        return F.cross_entropy(logits_BN, aims, weight=weights, label_smoothing=smoothing, reduction="none")
    aims_BN = torch.zeros_like(logits_BN)
    for place, row in enumerate(rows):
        aims_BN[place, list(row.labels)] = 1
    aims_BN = aims_BN * (1 - smoothing) + smoothing / 2
    nats_BN = F.binary_cross_entropy_with_logits(logits_BN, aims_BN, pos_weight=weights, reduction="none")
    return nats_BN.mean(dim=1)


def difference(one_BN: Tensor, other_BN: Tensor, *, several: bool) -> Tensor:
    """Mean of both KL divergences between what two passes say of each row: [B]."""
    if several:
        one_BN, other_BN = (torch.stack([each, -each], dim=-1) for each in (one_BN, other_BN))
        one, other = F.logsigmoid(one_BN), F.logsigmoid(other_BN)
        parts_BN = ((one.exp() - other.exp()) * (one - other)).sum(dim=-1) / 2
        return parts_BN.mean(dim=1)
    one, other = one_BN.log_softmax(dim=-1), other_BN.log_softmax(dim=-1)
    return ((one.exp() - other.exp()) * (one - other)).sum(dim=-1) / 2


def _drops_out(model: nn.Module) -> bool:
    shares = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    return any(shares) or any(module.dropout for module in model.modules() if isinstance(module, LoraLinear))
