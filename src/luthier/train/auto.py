"""What `auto` becomes, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luthier.artifacts.worded import IntArray
from luthier.config import Resolved
from luthier.models.adapters import Variant
from luthier.objectives import Head, Objective
from luthier.train.config import AdapterConfig, TrainConfig

STEPS: dict[Head, int] = {
    "causal": 150,
    "masked": 600,
    "pooled": 150,
    "sequence": 300,
    "scalar": 300,
    "token": 300,
    "span": 300,
}
"""Optimizer steps that a small domain needs; a new head starts from nothing and wants twice as many (cross-validated
over 1,586 groups of the example, three folds: macro-F1 .704 against .692). Four times as many, stopped early, never
anneal and end worse."""
MAX_EPOCHS: dict[Head, int] = {
    "causal": 10,
    "masked": 10,
    "pooled": 10,
    "sequence": 20,
    "scalar": 20,
    "token": 20,
    "span": 20,
}
FRESH: frozenset[Head] = frozenset({"sequence", "scalar", "token", "span"})
"""Heads that start from nothing."""
BATCH_TOKENS = 1024
NAMES: dict[Variant, str] = {"lora": "LoRA", "rslora": "rsLoRA", "dora": "DoRA"}
RSLORA_ALPHA = 8.0
"""Gives rank 16 the scale that 2 x rank gives LoRA."""
ROWS_TOGETHER = 64
"""Rows of a step in which each is told from all others: with fewer of them there is little to learn from it."""
PROMPTS_TOGETHER = 16
"""Prompts of a step whose answers are graded: with fewer of them it hangs on how hard they happen to be."""


@dataclass(frozen=True, slots=True)
class AdapterChoices:
    """The adapter, with its reasons."""

    variant: Resolved[Variant]
    rank: Resolved[int]
    alpha: Resolved[float]
    dropout: Resolved[float]
    lora_plus: Resolved[float]
    modules_to_save: Resolved[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Choices:
    """Every hyper-parameter of a run, with its reason."""

    epochs: Resolved[float]
    learning_rate: Resolved[float]
    batch_tokens: Resolved[int]
    micro_batch_tokens: Resolved[int]
    checkpoint_activations: Resolved[bool]
    adapter: AdapterChoices | None
    """None where there is no adapter."""
    share_prefixes: Resolved[bool]

    def as_rows(self) -> dict[str, dict[str, Any]]:
        """Name -> value and reason, for the manifest."""
        settled = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "adapter"}
        if self.adapter is not None:
            settled |= {name: getattr(self.adapter, name) for name in self.adapter.__dataclass_fields__}
        return {name: {"value": each.value, "reason": each.reason} for name, each in settled.items()}

    def tuning(self, *, frozen_layers: int) -> str:
        """What was trained, for a model card."""
        parts = ["every weight"]
        if self.adapter is not None:
            chosen = self.adapter
            parts = [f"{NAMES[chosen.variant.value]} of rank {chosen.rank.value}, alpha {chosen.alpha.value:g}"]
            parts += [f"LoRA+ {chosen.lora_plus.value:g}"] if chosen.lora_plus.value > 1 else []
            parts += [f"{name} trained whole" for name in chosen.modules_to_save.value]
        return ", ".join(parts + ([f"the first {frozen_layers} layers frozen"] if frozen_layers else []))


def resolve(config: TrainConfig, lengths: Sequence[int] | IntArray, *, objective: Objective, hidden: int) -> Choices:
    """Settle every `auto` from the data's size and the base's width."""
    tokens = int(np.sum(lengths))
    batch = _chosen(config.batch_tokens)
    wanted, most = STEPS[objective.head], MAX_EPOCHS[objective.head]
    if batch is None:
        grown = 2 ** max(0, round(math.log2(max(1.0, tokens / wanted / BATCH_TOKENS))) - 1)
        batch = Resolved(min(8192, BATCH_TOKENS * grown), f"{tokens:,} tokens: small steps while data is scarce")
        together = math.ceil(ROWS_TOGETHER * tokens / len(lengths))
        answers = math.ceil(PROMPTS_TOGETHER * tokens / len(lengths))
        if objective.record == "graded" and batch.value < answers:
            batch = Resolved(min(8192, answers), f"{PROMPTS_TOGETHER} prompts with all answers that are drawn to them")
        if objective.head == "pooled" and batch.value < together:
            batch = Resolved(min(8192, together), f"{ROWS_TOGETHER} rows, which are each other's negatives")
    per_epoch = max(1, math.ceil(tokens / batch.value))
    epochs = _chosen(config.epochs)
    if epochs is None:
        count = min(most, max(1, round(wanted / per_epoch)))
        epochs = Resolved(float(count), f"{per_epoch} steps an epoch, about {wanted} wanted, at most {most} epochs")
    steps = max(1, round(per_epoch * epochs.value))
    micro = _chosen(config.micro_batch_tokens) or Resolved(
        1024, "small pieces keep the processor waiting, and larger ones take more memory"
    )
    if objective.head == "pooled" and config.micro_batch_tokens == "auto" and 1024 < batch.value <= 4096:
        micro = Resolved(batch.value, "a step in one piece needs no second pass")
    return Choices(
        epochs=epochs,
        learning_rate=_learning_rate(config, steps, hidden, objective=objective),
        batch_tokens=batch,
        micro_batch_tokens=micro,
        checkpoint_activations=Resolved(False, "decided when the model is there"),
        adapter=_adapter(config.adapter) if config.method == "lora" else None,
        share_prefixes=Resolved(False, "this objective computes whole rows"),
    )


def _adapter(config: AdapterConfig) -> AdapterChoices:
    variant = _chosen(config.variant) or Resolved("lora", "the fastest; rslora is for high ranks")
    rank = _chosen(config.rank) or Resolved(16, "enough for a domain; more did not help on small data")
    alpha = _chosen(config.alpha)
    if alpha is None and variant.value == "rslora":
        alpha = Resolved(RSLORA_ALPHA, "the scale of LoRA at rank 16, less at higher ranks")
    elif alpha is None:
        alpha = Resolved(2.0 * rank.value, "2 x rank")
    dropout = _chosen(config.dropout)
    if dropout is None:
        dropout = Resolved(0.0, "early stopping and the adapter's scale guard against overfitting at no cost in time")
    off = "off" if config.lora_plus == 1 else "set in the project file"
    whole = "set in the project file" if config.modules_to_save else "none: the adapter alone"
    return AdapterChoices(
        variant=variant,
        rank=rank,
        alpha=alpha,
        dropout=dropout,
        lora_plus=Resolved(config.lora_plus, off),
        modules_to_save=Resolved(config.modules_to_save, whole),
    )


def _learning_rate(config: TrainConfig, steps: int, hidden: int, *, objective: Objective) -> Resolved[float]:
    """LoRA wants about 10 times the rate of full fine-tuning, 15 times in short runs, and both want less for wider
    models (Schulman et al. 2025, "LoRA Without Regret"). Under a new head half of that overfits less, and preferences
    between answers that the base can write, and grades of those that it writes, want a tenth.
    """
    fixed = None if config.learning_rate == "search" else _chosen(config.learning_rate)
    if fixed is not None:
        return fixed
    full = 5e-5 * (2000 / hidden) ** 0.78
    share = 0.5 if objective.head in FRESH else 0.1 if objective.record in {"preference", "graded"} else 1
    factor = share * (
        1 if config.method == "full" else 15 if objective.head == "causal" and share == 1 and steps < 100 else 10
    )
    reason = f"{factor:g} x the rate" if factor != 1 else "the usual rate"
    reason = f"{reason} of full fine-tuning for width {hidden}, {steps} steps"
    if config.adapter.lora_plus > 1:
        factor /= math.sqrt(config.adapter.lora_plus)
        reason += "; that of A, so that those of A and B have it for their geometric mean"
    return Resolved(float(f"{factor * full:.2g}"), reason)


def _chosen(value: Any) -> Resolved[Any] | None:
    return None if value == "auto" else Resolved(value, "set in the project file")
