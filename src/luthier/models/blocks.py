"""Decoder layers of the Llama kind over one packed stream, with fewer passes over memory than the library's modules.

The weights stay where `transformers` put them; only the order of computing is ours.
"""

# T tokens of all rows, E embedding, H query heads, K key heads, D head size

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from luthier.models.adapters import project
from luthier.models.attention import Scope
from luthier.models.fused import rms_norm, swiglu, turn
from luthier.models.recompute import run_layer

Attend = Callable[[Tensor, Tensor, Tensor, Scope], Tensor]
"""q [T, H, D], k and v [T, K, D] -> [T, H, D]: who attends to whom is its secret."""

KINDS = {"LlamaModel", "MistralModel", "Qwen2Model"}
"""Models whose layers are exactly these: norm, rotary attention, norm, SwiGLU, each added to what came in."""


def fits(backbone: Any) -> bool:
    """Whether `block_states` computes what this model computes."""
    config = backbone.config
    return type(backbone).__name__ in KINDS and config.hidden_act == "silu" and not _drops(backbone)


def block_states(backbone: Any, ids_T: Tensor, positions_T: Tensor, *, attend: Attend) -> Tensor:
    """Last hidden states of a stream of tokens: [T, E]."""
    states = backbone.embed_tokens(ids_T)
    cos, sin = backbone.rotary_emb(states[None], position_ids=positions_T[None])
    # Both halves of a head turn by the same angles.
    cos, sin = (part[0, :, None, : part.shape[-1] // 2].contiguous() for part in (cos, sin))
    for layer in backbone.layers:
        states = run_layer(layer, partial(_block, layer, cos=cos, sin=sin, attend=attend), states)
    return _norm(backbone.norm, states)


def _block(layer: Any, states: Tensor, *, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
    """One layer: [T, E] -> [T, E]."""
    attention, mlp = layer.self_attn, layer.mlp
    qkv = project(_norm(layer.input_layernorm, states), (attention.q_proj, attention.k_proj, attention.v_proj))
    key_heads = attention.config.num_key_value_heads
    scope = Scope(attention.scaling, _window(attention))
    seen = attend(*turn(qkv, cos, sin, key_heads), scope)
    states = states + project(seen.flatten(1), (attention.o_proj,))
    both = project(_norm(layer.post_attention_layernorm, states), (mlp.gate_proj, mlp.up_proj))
    return states + project(swiglu(both), (mlp.down_proj,))


def _window(attention: Any) -> int | None:
    """Mistral's attention asks its settings, the others know."""
    held = attention if hasattr(attention, "sliding_window") else attention.config
    return getattr(held, "sliding_window", None)


def _norm(norm: Any, states: Tensor) -> Tensor:
    return rms_norm(states, norm.weight, norm.variance_epsilon)


def _drops(backbone: nn.Module) -> bool:
    return bool(getattr(backbone.config, "attention_dropout", 0.0))
