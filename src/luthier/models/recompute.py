"""Activation checkpointing: a layer keeps only its input, and is computed again on the way back.

Chen et al. 2016, arXiv:1604.06174, with one layer as the unit. Gradients and random numbers are the same as without.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

_HELD: list[tuple[Any, str]] = []


def hold(owner: type, *names: str) -> None:
    """Say that layers read these attributes of a class during a forward pass: they are the same when recomputing."""
    _HELD.extend((owner, name) for name in names)


def recompute_layers(model: nn.Module, *, active: bool) -> None:
    """Switch checkpointing on or off for all layers of a model."""
    for layer in _layers(model):
        layer.gradient_checkpointing = active
        layer._gradient_checkpointing_func = partial(_kept_input, model)


def run_layer(layer: Any, run: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """`run(states)`, which computes one layer of a model, checkpointed if that is switched on for the layer."""
    if not (getattr(layer, "gradient_checkpointing", False) and layer.training and torch.is_grad_enabled()):
        return run(states)
    found: Tensor = layer._gradient_checkpointing_func(run, states)
    return found


def _layers(model: nn.Module) -> Iterator[Any]:
    return (module for module in model.modules() if isinstance(module, GradientCheckpointingLayer))


def _kept_input(model: Any, run: Callable[..., Any], *inputs: Any) -> Any:
    held = [
        (owner, name, getattr(owner, name, None)) for owner, name in (*_HELD, (model.config, "_attn_implementation"))
    ]
    return checkpoint(run, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _as_then(held)))


@contextmanager
def _as_then(held: list[tuple[Any, str, Any]]) -> Iterator[None]:
    now = [(owner, name, getattr(owner, name, None)) for owner, name, _ in held]
    _set(held)
    try:
        yield
    finally:
        _set(now)


def _set(values: list[tuple[Any, str, Any]]) -> None:
    for owner, name, value in values:
        setattr(owner, name, value)
