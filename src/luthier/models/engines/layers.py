"""A decoder of Llama's build as plain products: what decoding runs instead of the modules of `transformers`.

Llama, Mistral, Qwen, SmolLM and Gemma 3 differ in a few optional parts; a model with other parts is refused. Whoever
uses this compares its logits with the model's first.
"""

# N tokens, E embedding, H query heads, K key heads, D head size, I inputs, O outputs, V vocabulary

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from luthier.models.adapters import LoraLinear
from luthier.models.forward import PACKABLE_LAYERS
from luthier.models.load import backbone, head_weight

Norm = Callable[[Tensor], Tensor]
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, queries [N, H, D], keys [N, K, D], values [N, K, D]) -> [N, H * D]; all float32."""
PARTS = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
SANDWICH = {"pre_feedforward_layernorm", "post_feedforward_layernorm"}
"""Gemma's: what attention and the feed-forward part return is normalised too."""
FIXED_TURNS = {"default", "linear", "llama3", "yarn"}
"""Rotary embeddings whose angles do not depend on the length of the row."""


class Product:
    """x W' + b [N, O] of x [N, I], with the weights laid out once as oneDNN reads them.

    Several linear layers with one input become one product. Adapters that are on are added to the weights.
    """

    def __init__(self, *linears: nn.Module, order: Tensor | None = None) -> None:
        weight = torch.cat([_weight(linear) for linear in linears])
        biases = [_plain(linear).bias for linear in linears]
        bias = torch.cat([part for part in biases if part is not None]) if biases[0] is not None else None
        if order is not None:
            weight, bias = weight[order], bias[order] if bias is not None else None
        self._packed = torch.backends.mkldnn.is_available()
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight) if self._packed else weight
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """The product alone."""
        return self._unary(x, "none") if self._packed else F.linear(x, self._weight, self._bias)

    def swish(self, x: Tensor) -> Tensor:
        """y sigmoid(y) of the product y."""
        return self._unary(x, "swish") if self._packed else F.silu(F.linear(x, self._weight, self._bias))

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product plus `other` [N, O]."""
        return self._binary(x, other, "add") if self._packed else self(x) + other

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The product times `other` [N, O], element by element."""
        return self._binary(x, other, "mul") if self._packed else self(x) * other

    def _unary(self, x: Tensor, name: str) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, name, [], "")
        return found

    def _binary(self, x: Tensor, other: Tensor, name: str) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, self._bias, name)
        return found


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; what a model does not have is None."""

    norm: Norm
    qkv: Product
    query_norm: Norm | None
    key_norm: Norm | None
    turn: str | None
    """Which table of angles turns queries and keys."""
    scale: float
    """Of the products of queries and keys."""
    window: int | None
    """How many tokens a token sees, itself included."""
    out: Product
    after_attention: Norm | None
    middle_norm: Norm
    gate: Product
    swish: bool
    activation: Callable[[Tensor], Tensor]
    up: Product
    down: Product
    after_feedforward: Norm | None


class Layers:
    """A causal model read once, with its adapters as they are switched now; it keeps a copy of the weights."""

    @torch.no_grad()
    def __init__(self, model: Any) -> None:
        """ValueError, AttributeError or KeyError if the model is built in another way."""
        inner: Any = backbone(model)
        config = model.config
        kinds = getattr(config, "layer_types", None) or ["full_attention"] * len(inner.layers)
        if unknown := set(kinds) - PACKABLE_LAYERS:
            raise ValueError(f"layers of type {', '.join(sorted(unknown))}")
        attention = inner.layers[0].self_attn
        self.key_heads = int(config.num_key_value_heads)
        self.heads = int(config.num_attention_heads)
        self.head_size = int(attention.head_dim)
        self.dtype: torch.dtype = head_weight(model).dtype
        self._embed = inner.embed_tokens
        self._norm = _norm(inner.norm)
        self._rotary = inner.rotary_emb
        self._by_type = "layer_type" in inspect.signature(self._rotary.forward).parameters
        _refuse_changing_turns(config)
        self._turns: dict[str, Tensor] = {}
        windows = _windows(config, len(inner.layers))
        self.layers = [
            self._read(layer, kind, window) for layer, kind, window in zip(inner.layers, kinds, windows, strict=True)
        ]
        self._head = Product(model.get_output_embeddings())

    def states(self, ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """States [N, E] before the last norm, of ids [N] at positions [N]."""
        x: Tensor = self._embed(ids)
        turns = self._turns_at(positions)
        for index, layer in enumerate(self.layers):
            mixed = self._attention(index, layer.norm(x), turns, attend)
            if layer.after_attention is None:
                x = layer.out.plus(mixed, x)
            else:
                x = x + layer.after_attention(layer.out(mixed))
            middle = layer.middle_norm(x)
            gate = layer.gate.swish(middle) if layer.swish else layer.activation(layer.gate(middle))
            wide = layer.up.times(middle, gate)
            x = (
                layer.down.plus(wide, x)
                if layer.after_feedforward is None
                else x + layer.after_feedforward(layer.down(wide))
            )
        return x

    def logits(self, states: Tensor) -> Tensor:
        """Float32 logits [N, V] of what `states` returned."""
        return self._head(self._norm(states)).float()

    def _attention(self, index: int, x: Tensor, turns: dict[str, Tensor], attend: Attend) -> Tensor:
        layer = self.layers[index]
        parts = layer.qkv(x).float().view(len(x), -1, self.head_size)
        turned, values = parts.split([self.heads + self.key_heads, self.key_heads], dim=1)
        queries, keys = turned.split([self.heads, self.key_heads], dim=1)
        if layer.query_norm is not None and layer.key_norm is not None:
            queries, keys = layer.query_norm(queries), layer.key_norm(keys)
            turned = torch.cat([queries, keys], dim=1)
        if layer.turn is not None:
            # The two halves of a head lie side by side, so that turning is one complex product.
            pairs = torch.view_as_complex(turned.unflatten(-1, (-1, 2)))
            turned = torch.view_as_real(pairs * turns[layer.turn]).flatten(-2)
            queries, keys = turned.split([self.heads, self.key_heads], dim=1)
        return attend(index, queries * layer.scale, keys, values).to(x.dtype)

    def _turns_at(self, positions: Tensor) -> dict[str, Tensor]:
        """Angles [N, 1, D/2] as complex numbers."""
        longest = int(positions.max()) + 1
        kinds = {layer.turn for layer in self.layers if layer.turn is not None}
        for kind in sorted(kinds):
            if kind not in self._turns or len(self._turns[kind]) < longest:
                self._turns[kind] = self._table(kind, max(256, 2 * longest))
        return {kind: self._turns[kind][positions][:, None] for kind in kinds}

    def _table(self, kind: str, length: int) -> Tensor:
        like = torch.zeros(1)
        named = {"layer_type": kind} if self._by_type else {}
        cos, sin = self._rotary(like, position_ids=torch.arange(length)[None], **named)
        half = cos.shape[-1] // 2
        return torch.complex(cos[0, :, :half].contiguous(), sin[0, :, :half].contiguous())

    def _read(self, layer: Any, kind: str, window: int | None) -> Layer:
        parts = {name for name, _ in layer.named_children()}
        sandwich = parts == PARTS | SANDWICH
        if parts != PARTS and not sandwich:
            raise ValueError(f"layers made of {', '.join(sorted(parts))}")
        attention, feed = layer.self_attn, layer.mlp
        turns = bool(getattr(attention, "use_rope", True))
        normed = hasattr(attention, "q_norm")
        order = self._order() if turns else None
        within = _interleaved(self.head_size) if turns else None
        return Layer(
            norm=_norm(layer.input_layernorm),
            qkv=Product(attention.q_proj, attention.k_proj, attention.v_proj, order=order),
            query_norm=_norm(attention.q_norm, within) if normed else None,
            key_norm=_norm(attention.k_norm, within) if normed else None,
            turn=(kind if self._by_type else "every") if turns else None,
            scale=float(attention.scaling),
            window=window,
            out=Product(attention.o_proj),
            after_attention=_norm(layer.post_attention_layernorm) if sandwich else None,
            middle_norm=_norm(layer.pre_feedforward_layernorm if sandwich else layer.post_attention_layernorm),
            gate=Product(feed.gate_proj),
            swish=_is_swish(feed.act_fn),
            activation=feed.act_fn,
            up=Product(feed.up_proj),
            down=Product(feed.down_proj),
            after_feedforward=_norm(layer.post_feedforward_layernorm) if sandwich else None,
        )

    def _order(self) -> Tensor:
        """Rows of the stacked product, the halves of query and key heads interleaved."""
        turned = (self.heads + self.key_heads) * self.head_size
        rows = torch.arange(turned).view(-1, self.head_size)[:, _interleaved(self.head_size)].flatten()
        return torch.cat([rows, torch.arange(turned, turned + self.key_heads * self.head_size)])


def _plain(linear: nn.Module) -> nn.Linear:
    inner = linear.linear if isinstance(linear, LoraLinear) else linear
    if not isinstance(inner, nn.Linear):
        raise ValueError(f"a {type(inner).__name__} for a linear layer")
    return inner


def _weight(linear: nn.Module) -> Tensor:
    weight = _plain(linear).weight
    if isinstance(linear, LoraLinear) and linear.active:
        return (weight.float() + linear.scale * (linear.lora_B.float() @ linear.lora_A.float())).to(weight.dtype)
    return weight


def _norm(module: Any, order: Tensor | None = None) -> Norm:
    """The norm as one call, its weights reordered; as the module itself does it where that is something else."""
    weight = module.weight.float()
    eps = float(module.variance_epsilon if hasattr(module, "variance_epsilon") else module.eps)
    probe = torch.linspace(-2, 3, len(weight)).cos()[None].to(module.weight.dtype)
    expected = module(probe).float()
    for scale in (weight, 1 + weight):
        found = F.rms_norm(probe.float(), weight.shape, scale, eps)
        if torch.allclose(found, expected, rtol=2e-2 if probe.dtype != torch.float32 else 1e-5, atol=1e-6):
            return _rms_norm(scale if order is None else scale[order], eps)
    raise ValueError(f"a norm of type {type(module).__name__}")


def _rms_norm(weight: Tensor, eps: float) -> Norm:
    def norm(x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), weight.shape, weight, eps).to(x.dtype)

    return norm


def _is_swish(activation: Callable[[Tensor], Tensor]) -> bool:
    probe = torch.linspace(-8, 8, 64)
    return torch.equal(activation(probe), F.silu(probe))


def _interleaved(size: int) -> Tensor:
    """[0, size/2, 1, size/2 + 1, ...]"""
    return torch.arange(size).view(2, -1).t().flatten()


def _refuse_changing_turns(config: Any) -> None:
    parameters = config.rope_parameters
    for each in [parameters, *(part for part in parameters.values() if isinstance(part, dict))]:
        if each.get("rope_type", "default") not in FIXED_TURNS:
            raise ValueError(f"rotary embeddings of type {each['rope_type']}")


def _windows(config: Any, layers: int) -> list[int | None]:
    """What the cache of `transformers` says of every layer."""
    held = DynamicCache(config=config).layers
    if not held:
        return [None] * layers
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in held):
        raise ValueError("layers that keep something else than keys and values")
    return [getattr(layer, "sliding_window", None) for layer in held]
