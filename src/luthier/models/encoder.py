"""Encoders over one stream of tokens: no padding in the layers, full attention inside each row and none across rows.

Rows of like length share one attention call, written as batched products: their bfloat16 form is several times as fast
as the fused kernel of `torch` on CPUs without AMX, and dropout costs little in it.
"""

# T tokens of the stream, H heads, D head size, C cells of a bucket (rows x longest), B rows, L longest row, E embedding

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

from luthier.models.dropout import kept
from luthier.models.forward import TokenRows
from luthier.models.recompute import hold

STREAM = "luthier_stream"
ROUND = 64
"""Streams are a multiple of this many tokens: oneDNN keeps a compiled product for every number of rows it has met."""
WASTE = 1.1
"""Rows join a bucket while its longest row is at most this many times its shortest."""
LONG = 512
"""Tokens of a row above which its [L, L] weights are not kept for the backward pass."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows of like length."""

    rows: int
    length: int
    blank: Tensor | None
    """[B, 1, 1, L] True where a cell holds no token; None where all do."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows one behind the other, shortest first, and at least one filler token behind them."""

    ids: Tensor
    """[T]"""
    positions: Tensor
    """[T] place in the row."""
    types: Tensor
    """[T] 1 in the second text of a row of two, else 0."""
    places: tuple[int, ...]
    """Which row stands at each place."""
    lengths: tuple[int, ...]
    buckets: tuple[Bucket, ...]
    tokens: Tensor
    """[cells] token of every cell, bucket after bucket; cells without a token read the last filler."""


def make_stream(rows: TokenRows, *, seconds: Sequence[int] = ()) -> Stream:
    """Plan the stream of these rows; `seconds` says where the second text of each begins."""
    places = sorted(range(len(rows)), key=lambda place: (len(rows[place]), place))
    lengths = [len(rows[place]) for place in places]
    count = sum(lengths)
    filler = ROUND - count % ROUND
    groups: list[list[int]] = []
    for place, length in enumerate(lengths):
        if groups and length <= WASTE * lengths[groups[-1][0]] + 1:
            groups[-1].append(place)
        else:
            groups.append([place])
    buckets, tokens, start = [], [], 0
    for group in groups:
        sizes = torch.tensor([lengths[place] for place in group])
        steps = torch.arange(int(sizes[-1]))
        held = steps < sizes[:, None]
        first = start + sizes.cumsum(0) - sizes
        tokens.append(torch.where(held, first[:, None] + steps, count + filler - 1).flatten())
        blank = None if bool(held.all()) else ~held[:, None, None]
        buckets.append(Bucket(rows=len(group), length=int(sizes[-1]), blank=blank))
        start += int(sizes.sum())
    second = [seconds[place] for place in places] if seconds else lengths
    parts = zip([*lengths, filler], [*second, filler], strict=True)
    return Stream(
        types=torch.cat([(torch.arange(length) >= at).long() for length, at in parts]),
        ids=torch.tensor([token for place in places for token in rows[place]] + [0] * filler),
        positions=torch.cat([torch.arange(length) for length in (*lengths, filler)]),
        places=tuple(places),
        lengths=tuple(lengths),
        buckets=tuple(buckets),
        tokens=torch.cat(tokens),
    )


class _Current:
    """The stream of the forward pass that is running, and its cells per number of heads."""

    stream: Stream | None = None
    indices: dict[int, tuple[Tensor, Tensor, int]]


hold(_Current, "stream", "indices")


@contextmanager
def streaming(stream: Stream) -> Iterator[None]:
    """Run forward passes over this stream; `transformers` offers no typed way to hand it down."""
    before = _Current.stream
    _Current.stream, _Current.indices = stream, {}
    try:
        yield
    finally:
        _Current.stream, _Current.indices = before, {}


def _indices(stream: Stream, heads: int) -> tuple[Tensor, Tensor, int]:
    """Token-heads in the order of cells [bucket, B, H, L], the way back [T*H], and how many of those are rows'."""
    if heads not in _Current.indices:
        gather, start = [], 0
        for bucket in stream.buckets:
            stop = start + bucket.rows * bucket.length
            tokens = stream.tokens[start:stop].view(bucket.rows, 1, bucket.length)
            gather.append((tokens * heads + torch.arange(heads)[:, None]).flatten())
            start = stop
        taken = torch.cat(gather)
        real = sum(stream.lengths) * heads
        back = torch.zeros(len(stream.ids) * heads, dtype=torch.long)
        back[taken] = torch.arange(len(taken))
        back[real:] = 0
        _Current.indices[heads] = (taken, back, real)
    return _Current.indices[heads]


class _ToCells(torch.autograd.Function):
    """[T*H, D] to [cells*H, D]; a token's gradient is that of its one cell, a filler's is zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taken: Tensor, back: Tensor, real: int) -> Tensor:
        ctx.save_for_backward(back)
        ctx.real = real
        return x.index_select(0, taken)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (back,) = ctx.saved_tensors
        found = gradients[0].index_select(0, back)
        found[ctx.real :].zero_()
        return found, None, None, None


class _ToTokens(torch.autograd.Function):
    """[cells*H, D] to [T*H, D]; blank cells take the gradient of a filler: zero, because nobody reads fillers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taken: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(taken)
        return x.index_select(0, back)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (taken,) = ctx.saved_tensors
        return gradients[0].index_select(0, taken), None, None


class Attend(torch.autograd.Function):
    """softmax(q k' + bias) v with dropout on the weights (Vaswani et al. 2017, eq. 1); q is already scaled.

    q, k, v [B*H, L, D], hidden [B or 1, 1, 1 or L, L] True where nobody looks. The weights are kept.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, share: float) -> Tensor:
        scores = torch.bmm(q, k.transpose(1, 2))
        if hidden is not None:
            scores.view(len(hidden), -1, *scores.shape[1:]).masked_fill_(hidden, float("-inf"))
        weights = scores.softmax(dim=-1)
        factors = kept(weights, share) if share > 0 else None
        ctx.save_for_backward(q, k, v, weights, factors)
        return torch.bmm(weights if factors is None else weights * factors, v)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, weights, factors = ctx.saved_tensors
        dout = gradients[0]
        dv = torch.bmm((weights if factors is None else weights * factors).transpose(1, 2), dout)
        dweights = torch.bmm(dout, v.transpose(1, 2))
        if factors is not None:
            dweights.mul_(factors)
        dscores = torch._softmax_backward_data(dweights, weights, -1, weights.dtype)
        return torch.bmm(dscores, k), torch.bmm(dscores.transpose(1, 2), q), dv, None, None


# torch leaves `apply` untyped.
_to_cells = cast(Callable[..., Tensor], _ToCells.apply)
_to_tokens = cast(Callable[..., Tensor], _ToTokens.apply)
attend = cast(Callable[..., Tensor], Attend.apply)


def stream_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention inside each row; query, key and value [1, H, T, D] -> [1, T, H, D]. A `sliding_window` is kept.

    ValueError for what is not computed here: causal layers, soft capping, sinks and position biases.
    """
    stream = _Current.stream
    assert stream is not None, "attention over a stream runs inside `streaming(stream)` only"
    for name in ("softcap", "s_aux", "position_bias"):
        if settings.get(name) is not None:
            raise ValueError(f"attention with {name}")
    if getattr(module, "is_causal", True):
        raise ValueError("causal attention")
    heads, size = query.shape[1], query.shape[-1]
    scale = settings.get("scaling") or size**-0.5
    share = float(settings.get("dropout") or 0.0)
    taken, back, real = _indices(stream, heads)
    sizes = [bucket.rows * bucket.length * heads for bucket in stream.buckets]
    parts = []
    for part in (query * scale, key, value):
        repeats = heads // part.shape[1]
        whole = part if repeats == 1 else part.repeat_interleave(repeats, dim=1)
        cells = _to_cells(whole[0].transpose(0, 1).reshape(-1, size), taken, back, real)
        parts.append(cells.split(sizes))
    outputs = []
    for bucket, *held in zip(stream.buckets, *parts, strict=True):
        q, k, v = (part.view(bucket.rows, heads, bucket.length, size) for part in held)
        hidden = _hidden(bucket, settings.get("sliding_window"))
        if bucket.length > LONG:
            seen = None if hidden is None else ~hidden
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=share, scale=1.0)
        else:
            out = attend(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), hidden, share)
        outputs.append(out.reshape(-1, size))
    joined = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
    return _to_tokens(joined, taken, back).view(1, -1, heads, size), None


def _hidden(bucket: Bucket, window: int | None) -> Tensor | None:
    """[B or 1, 1, 1 or L, L] True where nobody looks: blank cells, and tokens `window` or more away.

    Every cell sees itself, so that blank ones have weights too.
    """
    if not window or bucket.length <= window:
        return bucket.blank
    steps = torch.arange(bucket.length)
    distance = (steps[:, None] - steps).abs()
    far = (distance >= window)[None, None]
    return far if bucket.blank is None else (bucket.blank | far) & (distance > 0)


def _no_mask(*_arguments: Any, **_settings: Any) -> None:
    """The stream says who attends to whom."""


AttentionInterface.register(STREAM, stream_attention)
AttentionMaskInterface.register(STREAM, _no_mask)


def stream_states(encoder: Any, stream: Stream) -> Tensor:
    """Last hidden states of an encoder over the rows of a stream, fillers left out: [T, E]."""
    states: Tensor = stream_output(encoder, stream).last_hidden_state[0, : sum(stream.lengths)]
    return states


def stream_output(model: Any, stream: Stream) -> Any:
    """What an encoder, or a head that looks at every token by itself on top of one, gives for a stream."""
    usual = model.config._attn_implementation
    model.config._attn_implementation = STREAM
    try:
        with streaming(stream):
            positions = stream.positions + first_position(model.base_model)
            return model(
                input_ids=stream.ids[None], position_ids=positions[None], **type_arguments(model, stream.types[None])
            )
    finally:
        model.config._attn_implementation = usual


def type_arguments(model: Any, types: Tensor) -> dict[str, Tensor]:
    """Which of two texts each token belongs to, for an encoder that was made to be told; nothing for any other."""
    tells = (getattr(model.config, "type_vocab_size", 0) or 0) > 1 and bool(types.any())
    return {"token_type_ids": types} if tells else {}


def first_position(encoder: Any) -> int:
    """The number of the first token's position: encoders that keep one for padding count from behind it."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1
