"""Models in memory: the base with the head an objective needs."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.objectives import Objective

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and the names of its parts that only training knows."""

    model: Any
    heads: tuple[str, ...]
    """Top-level modules that are new and trained whole (a classifier); saved with the adapter."""
    skip: tuple[str, ...]
    """Top-level modules that get no adapter."""
    task: str
    """What `peft` calls this kind of model."""


def load_model(
    base: Base, objective: Objective, *, dtype: torch.dtype, labels: Sequence[str] = (), seed: int = 0
) -> Loaded:
    """Load a base with the objective's head. A new head starts from `seed`.

    Raises UserError if the base cannot take the head or its files are damaged.
    """
    if objective.head == "causal" and base.architecture != "decoder":
        raise UserError(
            f"objective '{objective.name}' needs a decoder, and base '{base.name}' is an encoder. "
            "Use base: smollm2-135m, or objective: classify"
        )
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if objective.head == "causal":
                model = transformers.AutoModelForCausalLM.from_pretrained(str(base.folder), dtype=dtype)
                return Loaded(model=model, heads=(), skip=("lm_head", "embed_out"), task="CAUSAL_LM")
            model = transformers.AutoModelForSequenceClassification.from_pretrained(
                str(base.folder),
                dtype=dtype,
                num_labels=len(labels),
                id2label=dict(enumerate(labels)),
                label2id={label: index for index, label in enumerate(labels)},
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"base '{base.name}' in {base.folder} cannot be loaded: {error}") from error
    heads = tuple(name for name, _ in model.named_children() if name in {"classifier", "score", "pre_classifier"})
    return Loaded(model=model, heads=heads, skip=heads, task="SEQ_CLS")


def backbone(model: Any) -> nn.Module:
    """The part of a causal model that ends in hidden states."""
    inner: nn.Module = model.base_model
    return inner


def head_weight(model: Any) -> Tensor:
    """[V, E] of a causal model's output layer."""
    weight: Tensor = model.get_output_embeddings().weight
    return weight
