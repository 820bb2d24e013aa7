"""Prefer: make the better of two answers likelier than the worse, or good answers likelier than bad ones.

What a prompt's two answers share is computed once where rows are trees. However a step is cut into micro-batches, they
add up to the same: what KTO needs to know of all its rows is found before the first of them.
"""

# T tokens of all texts, A answers, P pairs, E embedding

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, tensor

from luthier.errors import UserError
from luthier.models.dense import trained_token_loss
from luthier.models.engines.hf import labelled_positions
from luthier.models.forward import Forward, TokenRows, choose_forward, packed_states
from luthier.models.fused import token_loss, token_nats
from luthier.models.load import Loaded, head_weight
from luthier.models.tree import choose_tree, tree_states
from luthier.records import Listener, Worded
from luthier.train.batches import Cut
from luthier.train.learner import Summed
from luthier.train.losses.contrast import OF_PAIRS, Pairs, Terms, kto
from luthier.train.losses.way import Lesson, Way
from luthier.train.reference import Remembered, as_base
from luthier.train.replay import Reminder

BETA = {"dpo": 0.1, "ipo": 0.1, "orpo": 0.1, "kto": 0.1, "simpo": 2.0}
"""What their papers took for most of their results."""


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """Packed and shared where this architecture gives the same numbers so."""
    (terms, reason), context = settle(lesson), lesson.wording.context
    forward, found = choose_forward(loaded.model, sample)
    refusal = choose_tree(loaded.model, sample, forward=forward)
    shared = PreferLoss(tree_states, terms, context) if refusal is None else None
    reasons = {"preference": reason}
    loss = PreferLoss(forward, terms, context)
    return Way(loss, found, forward is packed_states, forward, shared, refusal, reasons=reasons)


def settle(lesson: Lesson) -> tuple[Terms, str]:
    """How to prefer, and why; UserError if that cannot be done with these rows."""
    config, (bad, good) = lesson.config, lesson.rated
    usual, seen = ("kto", f"{good:,} good and {bad:,} bad answers") if good + bad else ("dpo", "pairs of answers")
    kind = usual if config.preference == "auto" else config.preference
    if (kind == "kto") != (usual == "kto"):
        raise UserError(
            f"train.preference: {kind} learns from {'rated answers' if kind == 'kto' else 'pairs of answers'}, and the "
            f"rows hold {seen}. Set it to auto."
        )
    if config.margin != "auto" and kind != "simpo":
        raise UserError(f"train.margin is a setting of simpo, and train.preference is {kind}. Take it out.")
    if kind == "kto" and not (good and bad):
        raise UserError(f"kto needs answers of both kinds, and the rows hold {seen}. Add the other kind, or use chat.")
    beta = BETA[kind] if config.beta == "auto" else config.beta
    margin = beta / 2 if config.margin == "auto" else config.margin
    most = max(good, bad)
    weights = {"good": most / good, "bad": most / bad} if kind == "kto" else {}
    terms = Terms(kind, beta, margin if kind == "simpo" else 0.0, **weights)
    told = [
        f"{kind}, {_why(config.preference, 'for ' + seen)}",
        f"beta {beta:g}, {_why(config.beta, 'as in its paper')}",
    ]
    if kind == "simpo":
        told.append(f"margin {margin:g}, {_why(config.margin, 'half of beta')}")
    if good != bad:
        told.append(f"a good answer weighs {terms.good:.3g}, a bad one {terms.bad:.3g}: both kinds count alike")
    return terms, "; ".join(told)


def _why(setting: object, reason: str) -> str:
    return reason if setting == "auto" else "set in the project file"


class Reference(Protocol):
    """What the base makes of answers."""

    def logp(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        """Log-likelihood of every answer of these rows, float64: [A]."""


@dataclass(frozen=True, slots=True)
class AdapterOff:
    """The base is the model without its adapter."""

    forward: Forward

    def logp(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        """Computed now, without gradient and dropout."""
        with as_base(model):
            return logp(model, rows, forward=self.forward)


class PreferLoss:
    """The fault of the model for its preferences; the unit of a step's mean is one row."""

    def __init__(self, forward: Forward, terms: Terms, context: int) -> None:
        self.forward = forward
        self.terms = terms
        self.context = context
        """Most tokens that the model reads."""
        self.reference: Reference = AdapterOff(forward)
        self.neutral = 0.0
        """KL(tuned || base) in nats per answer, estimated on answers to other prompts for the rows at hand: the log
        ratio that is neither good nor bad."""

    def units(self, rows: Sequence[Worded]) -> int:
        """Pairs, or rated answers, among these rows."""
        return len(rows)

    def look_ahead(self, model: Any, held: Mapping[int, Worded], *, among: Sequence[Worded], cut: Cut) -> None:
        """Estimate what is neutral on a step's rows, given by their number `among` all, before its micro-batches."""
        if self.terms.kind != "kto" or not is_rated(held):
            return
        total = 0.0
        others = self._mismatched(held, among)
        for piece in cut(others):
            rows = [others[number] for number in piece]
            base_A = self.reference.logp(model, rows)
            total += float((logp(model, rows, forward=self.forward) - base_A).sum())
        self.neutral = max(0.0, total / len(held))

    def remember_base(self, model: Any, rows: Sequence[Worded], *, cut: Cut, kept: Path, listener: Listener) -> None:
        """Work out what the base makes of these rows, for a training after which there is no base."""
        if not self.terms.needs_base:
            return
        if not isinstance(self.reference, Remembered):
            self.reference = Remembered()
        model.eval()
        own = partial(self._values, model, cut)
        self.reference.read(own, rows, kept=kept, listener=listener)
        if self.terms.kind == "kto":

            def others(held: Mapping[int, Worded]) -> dict[str, list[float]]:
                return own(self._mismatched(held, rows))

            self.reference.read(others, rows, kept=kept.with_name(f"{kept.name}-others"), listener=listener)
        model.train()

    def _values(self, model: Any, cut: Cut, held: Mapping[int, Worded]) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for piece in cut(held):
            rows = [held[number] for number in piece]
            parts = logp(model, rows, forward=self.forward).split([len(row.texts) for row in rows])
            found.update((row.id, part.tolist()) for row, part in zip(rows, parts, strict=True))
        return found

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum over rows; the reminder's rows share the forward pass."""
        base_A = self.reference.logp(model, rows) if self.terms.needs_base else None
        extra = reminder.rows if reminder is not None else ()
        states, head = self.forward(model, [*texts_of(rows), *extra]), head_weight(model)
        positions, targets, owners = answer_positions(rows)
        measure = trained_token_loss if head.requires_grad else token_loss
        nats_T = measure(states[positions], head, targets)
        total = self._faults(rows, -sums_of(nats_T, owners), base_A, owners).sum()
        if reminder is None:
            return Summed(total, None)
        return Summed(total, reminder.divergence(states[-sum(map(len, extra)) :], head))

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """What each row adds to the sum, without gradient; of a bare text, by which general ability is judged, nats."""
        logp_A = logp(model, rows, forward=self.forward)
        if not rows[0].ends and rows[0].score is None:
            return [-float(value) for value in logp_A]
        base_A = self.reference.logp(model, rows) if self.terms.needs_base else None
        *_, owners = answer_positions(rows)
        return [float(value) for value in self._faults(rows, logp_A, base_A, owners)]

    def _faults(self, rows: Sequence[Worded], logp_A: Tensor, base_A: Tensor | None, owners_T: Tensor) -> Tensor:
        base_A = torch.zeros_like(logp_A) if base_A is None else base_A
        if self.terms.kind == "kto":
            good_A = tensor([row.score for row in rows], dtype=torch.float64)
            return kto(logp_A - base_A, good_A, self.terms, neutral=self.neutral)
        pairs = Pairs(logp_A.view(-1, 2), base_A.view(-1, 2), owners_T.bincount().view(-1, 2))
        return OF_PAIRS[self.terms.kind](pairs, self.terms)

    def _mismatched(self, held: Mapping[int, Worded], among: Sequence[Worded]) -> dict[int, Worded]:
        """Each prompt with an answer to another: that of the row half of all rows away, which seldom has the same."""
        half = len(among) // 2
        return {
            number: mismatched(row, among[(number + half) % len(among)], limit=self.context)
            for number, row in held.items()
        }


def is_rated(held: Mapping[int, Worded]) -> bool:
    """Whether these rows hold one answer each, which a person rated."""
    return next((row.score is not None for row in held.values()), False)


def mismatched(row: Worded, other: Worded, *, limit: int) -> Worded:
    """The prompt of a row with the answer of another, cut at `limit` tokens."""
    start, others = row.trained.index(True), other.trained.index(True)
    ids = (*row.ids[:start], *other.ids[others:])[:limit]
    trained = (*row.trained[:start], *other.trained[others:])[:limit]
    return replace(row, id=f"{row.id}+{other.id}", ids=ids, trained=trained)


def logp(model: Any, rows: Sequence[Worded], *, forward: Forward) -> Tensor:
    """Log-likelihood of the learnt tokens of every text, without gradient, float64: [A]."""
    positions, targets, owners = answer_positions(rows)
    with torch.no_grad():
        states = forward(model, texts_of(rows))[positions]
        return -sums_of(token_nats(states, head_weight(model), targets), owners)


def texts_of(rows: Sequence[Worded]) -> list[tuple[int, ...]]:
    """The texts of all rows, one after the other."""
    return [text for row in rows for text in row.texts]


def answer_positions(rows: Sequence[Worded]) -> tuple[Tensor, Tensor, Tensor]:
    """Where the states of all texts predict a learnt token: positions, targets, and which text it is, each [T]."""
    positions, targets, _ = labelled_positions(rows)
    ends = tensor(list(accumulate(map(len, texts_of(rows)))))
    return positions, targets, torch.bucketize(positions, ends, right=True)


def sums_of(values_T: Tensor, owners_T: Tensor) -> Tensor:
    """Sum of the values of every text, each of which has some, float64: [A]."""
    return torch.zeros(int(owners_T[-1]) + 1, dtype=torch.float64).index_add(0, owners_T, values_T.double())
