"""States of a causal model over one stream of tokens; who attends to whom is the caller's secret."""

# T tokens, E embedding, H query heads, K key heads, D head size

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

from luthier.models.attention import Scope
from luthier.models.blocks import Attend, block_states, fits
from luthier.models.load import backbone
from luthier.models.readout import for_head
from luthier.models.recompute import hold

STREAM = "luthier_causal"


def causal_states(model: Any, ids_T: Tensor, positions_T: Tensor, *, attend: Attend) -> Tensor:
    """Last hidden states [T, E], as the head reads them: by our own layers where they fit, elsewhere by those of
    `transformers`.
    """
    inner: Any = backbone(model)
    if fits(inner):
        return for_head(model, block_states(inner, ids_T, positions_T, attend=attend))
    usual, before = model.config._attn_implementation, _Current.attend
    model.config._attn_implementation, _Current.attend = STREAM, attend
    try:
        output = inner(input_ids=ids_T[None], position_ids=positions_T[None], use_cache=False)
    finally:
        model.config._attn_implementation, _Current.attend = usual, before
    return for_head(model, output.last_hidden_state[0])


class _Current:
    """How the forward pass that is running attends; `transformers` offers no typed way to hand it down."""

    attend: Attend | None = None


hold(_Current, "attend")


def _attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """query [1, H, T, D], key and value [1, K, T, D] -> [1, T, H, D].

    A `sliding_window` is kept. ValueError for what our kernels do not compute: soft capping and attention sinks.
    """
    assert _Current.attend is not None, "this attention runs inside `causal_states` only"
    for name in ("softcap", "s_aux"):
        if settings.get(name) is not None:
            raise ValueError(f"attention with {name}")
    scope = Scope(settings.get("scaling") or query.shape[-1] ** -0.5, settings.get("sliding_window") or None)
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    return _Current.attend(q, k, v, scope)[None], None


def _no_mask(*_arguments: Any, **_settings: Any) -> None:
    """The kernel knows who attends to whom."""


AttentionInterface.register(STREAM, _attention)
AttentionMaskInterface.register(STREAM, _no_mask)
