"""How logits follow from the last states of a causal model, where its output layer does more than multiply by weights.

A scale goes into the states; a bias becomes one more column of the weights, and a one in every state. So whoever
multiplies states by `head_weight` has the model's logits. A base whose output layer does anything else is refused.
"""

# T tokens, E embedding, V vocabulary

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from luthier.errors import UserError

COLUMNS = 32
"""Columns that a bias adds, all but one of them zero: products of an odd width are slow."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What stands between states and logits besides the weights."""

    scale: float
    wide_VE: Tensor | None
    """Weights and bias side by side; None without a bias."""


def find_readout(model: Any, states_TE: Tensor, logits_TV: Tensor, *, tolerance: float) -> Readout | None:
    """The readout that turns these states of the model into these logits of it; None if there is none.

    `tolerance`: rounding, relative to the largest logit.
    """
    head = model.get_output_embeddings()
    bias = getattr(head, "bias", None)
    for scale in _scales(model.config):
        found_TV = states_TE.float() @ head.weight.float().t()
        found_TV = scale * (found_TV if bias is None else found_TV + bias.float())
        if float((found_TV - logits_TV).abs().max()) <= tolerance * float(logits_TV.abs().max()):
            return Readout(scale, None if bias is None else _widen(head))
    return None


def refuse_biased(model: Any, trained: Sequence[nn.Module]) -> None:
    """UserError if the model's output layer is to be trained and has a bias: that lies with its weights."""
    readout: Readout | None = getattr(model, "readout", None)
    if readout is None or readout.wide_VE is None:
        return
    head = model.get_output_embeddings()
    if any(module is head for whole in trained for module in whole.modules()):
        raise UserError(
            "the base's output layer has a bias, and only an adapter leaves it as it is. Set method: lora, and do not "
            "name its output layer in adapter.modules_to_save"
        )


def for_head(model: Any, states_TE: Tensor) -> Tensor:
    """States as `head_weight` reads them."""
    readout: Readout | None = getattr(model, "readout", None)
    if readout is None:
        return states_TE
    if readout.wide_VE is not None:
        ones = states_TE.new_zeros(len(states_TE), COLUMNS)
        ones[:, 0] = 1
        states_TE = torch.cat([states_TE, ones], dim=1)
    return states_TE if readout.scale == 1 else states_TE * readout.scale


def _scales(config: Any) -> Iterator[float]:
    """1, and what the model's settings call a scale of logits: Cohere's multiplies, Granite's divides."""
    yield 1.0
    for name, value in sorted(config.to_dict().items()):
        named = name == "lm_head_multiplier" or ("logit" in name and "cap" not in name)
        if named and isinstance(value, int | float) and value:
            yield from (float(value), 1 / float(value))


def _widen(head: Any) -> Tensor:
    """[V, E + columns] of which the head's weights become a view."""
    weight, width = head.weight, head.weight.shape[1]
    wide_VE: Tensor = weight.new_zeros(len(weight), width + COLUMNS)
    wide_VE[:, :width] = weight.detach()
    wide_VE[:, width] = head.bias.detach()
    weight.data = wide_VE[:, :width]
    return wide_VE
