"""A decoder of Llama's build as plain products: what decoding runs instead of the modules of `transformers`.

Llama, Mistral, Qwen, SmolLM and Gemma 3 differ in a few optional parts; a model with other parts is refused. Whoever
uses this compares its logits with the model's first.
"""

# N tokens, E embedding, H query heads, K key heads, D head size, I inputs, O outputs, V vocabulary

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from luthier.models.adapters import LoraLinear
from luthier.models.beside import base_of
from luthier.models.forward import PACKABLE_LAYERS
from luthier.models.load import backbone

Norm = Callable[[Tensor], Tensor]
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, queries [N, H, D], keys [N, K, D], values [N, K, D]) -> [N, H * D]"""
PARTS = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
SANDWICH = {"pre_feedforward_layernorm", "post_feedforward_layernorm"}
"""Gemma's: what attention and the feed-forward part return is normalised too."""
FIXED_TURNS = {"default", "linear", "llama3", "yarn"}
"""Rotary embeddings whose angles do not depend on the length of the row."""


EXACT = 2**-25
"""Weights are kept as float16 if that changes them by less than this, by norm: less than float32 rounds a product."""
SLICE = 1024
"""Rows of a weight that are compared with their float16 at once."""


class Product:
    """x W' + b [N, O] of float32 x [N, I], and s (x A') B' where an adapter is on; weights are laid out once.

    With DoRA, all but b is multiplied by a gain [O] as well.

    Weights that came from bfloat16 or float16 are kept as float16, which is exact and half the memory to read: the
    product is FBGEMM's, which widens them to float32 on the way. Others take oneDNN. MKL is slower than both on AMD.
    """

    def __init__(self, *linears: nn.Module, order: Tensor | None = None) -> None:
        """Several linear layers with one input become one product, its rows in another order if one is given."""
        plain = [_plain(linear) for linear in linears]
        weight = plain[0].weight if len(plain) == 1 else torch.cat([linear.weight for linear in plain])
        biases = [linear.bias.float() for linear in plain if linear.bias is not None]
        bias = torch.cat(biases) if biases else None
        if order is not None:
            weight, bias = weight[order], bias[order] if bias is not None else None
        self._linears, self._order, self._bias = linears, order, bias
        self.read_adapters()
        self._compute = _computation(weight.float(), bias)

    def read_adapters(self) -> None:
        """Take the adapters on these layers as they are now."""
        low, gain, order = _low_rank(self._linears), _gain(self._linears), self._order
        if order is not None:
            low = (low[0], low[1][:, order]) if low is not None else None
            gain = gain[order] if gain is not None else None
        self._low, self._gain = low, gain

    def __call__(self, x: Tensor, *, adapter: bool) -> Tensor:
        """x [N, I] -> [N, O]."""
        y = self._compute(x)
        if adapter and self._low is not None:
            y.addmm_(x @ self._low[0], self._low[1])
        if adapter and self._gain is not None:
            y.mul_(self._gain)
            if self._bias is not None:
                y += self._bias * (1 - self._gain)
        return y


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
    gate_up: Product
    activation: Callable[[Tensor], Tensor]
    down: Product
    after_feedforward: Norm | None


class Layers:
    """A causal model as it is now, its adapters beside it; computes in float32 and keeps a copy of the weights."""

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
        self._embed = base_of(inner.embed_tokens)
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

    def states(self, ids: Tensor, positions: Tensor, attend: Attend, *, adapter: bool) -> Tensor:
        """States [N, E] before the last norm, of ids [N] at positions [N]."""
        x: Tensor = self._embed(ids).float()
        turns = self._turns_at(positions)
        for index, layer in enumerate(self.layers):
            queries, keys, values = self._attended(layer, layer.qkv(layer.norm(x), adapter=adapter), turns)
            out = layer.out(attend(index, queries, keys, values), adapter=adapter)
            x = x + (out if layer.after_attention is None else layer.after_attention(out))
            middle = layer.middle_norm(x)
            gate, up = layer.gate_up(middle, adapter=adapter).chunk(2, dim=-1)
            out = layer.down(layer.activation(gate) * up, adapter=adapter)
            x += out if layer.after_feedforward is None else layer.after_feedforward(out)
        return x

    @torch.no_grad()
    def read_adapters(self) -> None:
        """Take the adapters as they are now; the weights beside them stay those that were read first."""
        for layer in self.layers:
            for each in (layer.qkv, layer.out, layer.gate_up, layer.down):
                each.read_adapters()

    def logits(self, states: Tensor) -> Tensor:
        """Logits [N, V] of what `states` returned."""
        return self._head(self._norm(states), adapter=False)

    def _attended(self, layer: Layer, parts: Tensor, turns: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values from their common product, normalised and turned."""
        turned, values = parts.view(len(parts), -1, self.head_size).split(
            [self.heads + self.key_heads, self.key_heads], dim=1
        )
        if layer.query_norm is not None and layer.key_norm is not None:
            queries, keys = turned.split([self.heads, self.key_heads], dim=1)
            turned = torch.cat([layer.query_norm(queries), layer.key_norm(keys)], dim=1)
        if layer.turn is not None:
            # The two halves of a head lie side by side, so that turning is one complex product.
            pairs = torch.view_as_complex(turned.unflatten(-1, (-1, 2)))
            turned = torch.view_as_real(pairs * turns[layer.turn]).flatten(-2)
        queries, keys = turned.split([self.heads, self.key_heads], dim=1)
        return queries * layer.scale, keys, values

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
            gate_up=Product(feed.gate_proj, feed.up_proj),
            activation=feed.act_fn,
            down=Product(feed.down_proj),
            after_feedforward=_norm(layer.post_feedforward_layernorm) if sandwich else None,
        )

    def _order(self) -> Tensor:
        """Rows of the stacked product, the halves of query and key heads interleaved."""
        turned = (self.heads + self.key_heads) * self.head_size
        rows = torch.arange(turned).view(-1, self.head_size)[:, _interleaved(self.head_size)].flatten()
        return torch.cat([rows, torch.arange(turned, turned + self.key_heads * self.head_size)])


def _plain(linear: nn.Module) -> nn.Linear:
    inner = linear.linear if isinstance(linear, LoraLinear) else base_of(linear)
    if not isinstance(inner, nn.Linear):
        raise ValueError(f"a {type(inner).__name__} for a linear layer")
    return inner


def _low_rank(linears: Sequence[nn.Module]) -> tuple[Tensor, Tensor] | None:
    """A' [I, R] and s B' [R, O] of all adapters on these layers, stacked."""
    adapted = [linear for linear in linears if isinstance(linear, LoraLinear)]
    if not adapted:
        return None
    if len(adapted) < len(linears):
        raise ValueError("adapters on some of the layers that read one input")
    first = torch.cat([linear.lora_A.float() for linear in adapted]).t().contiguous()
    second = torch.block_diag(*(linear.scale * linear.lora_B.float() for linear in adapted)).t().contiguous()
    return first, second


def _gain(linears: Sequence[nn.Module]) -> Tensor | None:
    """DoRA's gains [O] of all these layers."""
    gains = [linear.gain() for linear in linears if isinstance(linear, LoraLinear)]
    found = [gain.detach() for gain in gains if gain is not None]
    return torch.cat(found) if found else None


def _computation(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    if halves(weight):
        packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)
    if torch.backends.mkldnn.is_available():
        ordered = torch.ops.mkldnn._reorder_linear_weight(weight)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, ordered, bias, "none", [], "")
    return lambda x: F.linear(x, weight, bias)


def halves(weight: Tensor) -> bool:
    """Whether a weight [O, I] is kept as float16."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return False
    lost = size = 0.0
    for part in weight.split(SLICE):  # all of a head at once would take three more copies of it
        wide = part.float()
        lost += float((wide.half().float() - wide).norm()) ** 2
        size += float(wide.norm()) ** 2
    return lost <= EXACT**2 * size


def _norm(module: Any, order: Tensor | None = None) -> Norm:
    """The norm as one call, its weights reordered; as the module itself does it where that is something else."""
    module = base_of(module)
    weight = module.weight.float()
    eps = float(module.variance_epsilon if hasattr(module, "variance_epsilon") else module.eps)
    probe = torch.linspace(-2, 3, len(weight)).cos()[None].to(module.weight.dtype)
    expected = module(probe).float()
    for scale in (weight, 1 + weight):
        found = F.rms_norm(probe.float(), weight.shape, scale, eps)
        if torch.allclose(found, expected, rtol=2e-2 if probe.dtype != torch.float32 else 1e-5, atol=1e-6):
            kept = scale if order is None else scale[order]
            return lambda x: F.rms_norm(x, kept.shape, kept, eps)
    raise ValueError(f"a norm of type {type(module).__name__}")


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
