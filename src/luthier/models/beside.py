"""Modules that are trained whole beside an adapter, such as embeddings: what `peft` calls modules to save."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from luthier.errors import UserError
from luthier.models.dense import dense


class WholeModule(nn.Module):
    """A frozen module and a trained copy of it; `active` off gives the base back."""

    def __init__(self, base: nn.Module, copied: nn.Module) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.trained = dense(copied.requires_grad_(True))
        self.active = True
        self._tuned: list[Tensor] = []

    @property
    def chosen(self) -> nn.Module:
        """The one that computes."""
        return self.trained if self.active else self.base

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """Whatever the module does."""
        return self.chosen(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        """What others ask the module for, such as a head's weight."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.chosen, name)

    def remember(self) -> None:
        """Note the trained weights, before the first of them moves."""
        self._tuned = self._tuned or [weight.detach().clone() for weight in self.trained.parameters()]

    @torch.no_grad()
    def move(self, factor: float) -> None:
        """Go a part of the straight way from the base's weights to those that were noted."""
        for weight, base, tuned in zip(self.trained.parameters(), self.base.parameters(), self._tuned, strict=True):
            weight.copy_(torch.lerp(base.float(), tuned.float(), factor))


def base_of(module: nn.Module) -> nn.Module:
    """The module as the base has it."""
    return module.base if isinstance(module, WholeModule) else module


def whole_modules(model: nn.Module) -> Iterator[tuple[str, WholeModule]]:
    """All modules trained whole beside the adapter, by name, in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, WholeModule):
            yield name, module


def train_whole(model: nn.Module, names: Sequence[str]) -> None:
    """Put a trained copy beside each module of these names; what is tied stays tied."""
    memo: dict[int, Any] = {}
    for name in names:
        parent, _, child = name.rpartition(".")
        base = model.get_submodule(name)
        setattr(model.get_submodule(parent), child, WholeModule(base, copy.deepcopy(base, memo)))


def find_modules(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Full names of the modules called so, by a last or a full name, and of those whose weights are tied to theirs.

    UserError if the model has none of a name.
    """
    owners = {name: module for name, module in model.named_modules() if name and any(True for _ in module.parameters())}
    found = []
    for wanted in names:
        matching = [name for name in owners if f".{name}".endswith(f".{wanted}")]
        if not matching:
            there = sorted({name.rpartition(".")[2] for name in owners} - {str(place) for place in range(1000)})
            raise UserError(f"train.adapter.modules_to_save: the base has no '{wanted}'. It has: {', '.join(there)}")
        found += matching
    weights = {id(weight) for name in found for weight in owners[name].parameters()}
    found += [name for name, module in owners.items() if any(id(own) in weights for own in _own(module))]
    return sorted(name for name in {*found} if not any(name.startswith(f"{other}.") for other in found))


def _own(module: nn.Module) -> Iterator[Tensor]:
    return module.parameters(recurse=False)
