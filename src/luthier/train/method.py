"""What trains: an adapter over the frozen base, or every weight of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from luthier.models.adapters import AdapterShape, inject, rescale, save_adapter
from luthier.models.beside import find_modules
from luthier.models.dense import densify
from luthier.models.load import Loaded
from luthier.models.readout import refuse_biased
from luthier.models.whole import save_whole


class Method(Protocol):
    """How a base is tuned, after its weights were made ready for it."""

    def rescale(self, factor: float) -> None:
        """Set what was learnt to `factor` times what training left; 0 is the base."""

    def save(self, folder: Path) -> None:
        """Write the tuned model as it now stands, so that other tools load it."""


@dataclass(slots=True)
class Lora:
    """An adapter on all linear layers (Hu et al. 2021, arXiv:2106.09685)."""

    loaded: Loaded
    shape: AdapterShape
    base_name: str
    seed: int
    frozen: tuple[str, ...] = ()
    """Modules that get no adapter and are not trained."""
    factor: float = 1.0

    def __post_init__(self) -> None:
        model, heads = self.loaded.model, tuple(f"{head}." for head in self.loaded.heads)
        # Heads are trained whole anyway.
        whole = [name for name in find_modules(model, self.shape.whole) if not f"{name}.".startswith(heads)]
        refuse_biased(model, [model.get_submodule(name) for name in whole])
        self.shape = replace(self.shape, whole=tuple(whole))
        inject(model, self.shape, skip=[*self.loaded.skip, *self.frozen], seed=self.seed)
        for name, weight in model.named_parameters():
            if name.startswith(heads):  # under its first name: what a head shares with its encoder stays frozen
                weight.requires_grad_(True)

    def rescale(self, factor: float) -> None:
        """Multiply alpha."""
        self.factor = factor
        rescale(self.loaded.model, factor=factor, shape=self.shape)

    def save(self, folder: Path) -> None:
        """Write a `peft` folder, or the whole model if other trainings start from it."""
        if self.loaded.merges:
            save_whole(folder, self.loaded.model)
            return
        loaded, shape = self.loaded, replace(self.shape, alpha=self.shape.alpha * self.factor)
        save_adapter(folder, loaded.model, shape=shape, base_name=self.base_name, heads=loaded.heads, task=loaded.task)


@dataclass(slots=True)
class Full:
    """Every weight."""

    loaded: Loaded
    reload: Callable[[], Loaded]
    """Loads the untrained model once more."""
    frozen: tuple[str, ...] = ()
    """Modules that are not trained."""
    ends: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Untrained and trained value of each weight that the base has, once they were needed."""

    def __post_init__(self) -> None:
        refuse_biased(self.loaded.model, [self.loaded.model])
        model = self.loaded.model.requires_grad_(True)
        for name in self.frozen:
            model.get_submodule(name).requires_grad_(False)
        densify(model, skip=self.loaded.skip)

    def rescale(self, factor: float) -> None:
        """Go a part of the straight way from base to tuned (Wortsman et al. 2022, arXiv:2109.01903, eq. 1)."""
        if factor == 1 and not self.ends:
            return
        weights = dict(self.loaded.model.named_parameters())
        if not self.ends:
            before = dict(self.reload().model.named_parameters())
            new = tuple(f"{head}." for head in self.loaded.heads)
            self.ends = {
                name: (before[name].detach(), weight.detach().clone())
                for name, weight in weights.items()
                if weight.requires_grad and not name.startswith(new)
            }
        with torch.no_grad():
            for name, (base, tuned) in self.ends.items():
                weights[name].copy_(torch.lerp(base.float(), tuned.float(), factor))

    def save(self, folder: Path) -> None:
        """Write a folder that plain `transformers` loads."""
        save_whole(folder, self.loaded.model)
