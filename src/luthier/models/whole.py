"""A base that was tuned whole, on disk as `transformers` reads it.

The head of a PooledClassifier is ours, not the encoder's: it lies beside the encoder, which plain `AutoModel` loads.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from luthier.errors import UserError
from luthier.models.adapters import CLASSIFIER, merged_parameters
from luthier.models.bases import Base
from luthier.models.heads import PooledClassifier
from luthier.models.load import Loaded, load_model
from luthier.objectives import Objective

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
METADATA = {"format": "pt"}
"""Which library wrote the weights; `transformers` asks."""


def save_whole(folder: Path, model: nn.Module) -> None:
    """Write all weights, adapters merged into them, and the model's settings."""
    inner: Any = model
    if isinstance(model, PooledClassifier):
        inner = model.encoder
        own = {f"classifier.{name}": value for name, value in model.classifier.state_dict().items()}
        (folder / CLASSIFIER).write_bytes(save(own))
    # Parameters that are tied have one name here, the one under which `transformers` looks for them.
    state = {name: value.contiguous() for name, value in merged_parameters(inner)}
    kept = inner.state_dict().keys()  # buffers that a model saves belong to it
    state |= {name: value.contiguous() for name, value in inner.named_buffers() if name in kept}
    (folder / WEIGHTS).write_bytes(save(state, metadata=METADATA))
    settings = inner.config
    settings.dtype = next(iter(state.values())).dtype
    settings.architectures = [type(inner).__name__]
    (folder / CONFIG).write_text(settings.to_json_string(), encoding="utf-8")


def load_whole(folder: Path, base: Base, objective: Objective, *, labels: Sequence[str]) -> Loaded:
    """Load a model folder that was tuned whole from `base`, in float32; UserError if it is damaged."""
    tuned = replace(base, folder=folder, name=str(folder))
    loaded = load_model(tuned, objective, dtype=torch.float32, labels=labels)
    if isinstance(loaded.model, PooledClassifier):
        try:
            state = load_file(folder / CLASSIFIER)
            loaded.model.classifier.load_state_dict(
                {name.removeprefix("classifier."): value for name, value in state.items()}
            )
        except (OSError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{folder}: its classifier cannot be read ({error}). Train it again.") from None
    return loaded
