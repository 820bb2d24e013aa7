"""Exact attention over packed rows: no padding in the token stream, no attention across rows.

Rows of like length share one kernel call. On CPUs the call runs in float32: without AMX the bfloat16 kernel is 2 to 5
times slower.
"""

# T tokens of all rows, H query heads, K key heads, D head size, B rows of a bucket, L its longest row

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

PACKED = "luthier_packed"
WASTE = 1.15
"""Rows join a bucket while its longest row is at most this many times its shortest."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows of like length; padded cells read token 0 and nobody reads what they compute."""

    rows: int
    length: int
    gather: Tensor
    """[B*L] token index of every cell."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a packed stream lie."""

    buckets: tuple[Bucket, ...]
    inverse: Tensor
    """[T] cell, over all buckets one after the other, that holds each token."""
    padded: Tensor
    """[cells, 1, 1] True where a cell is padding."""


def packed_layout(lengths: Sequence[int]) -> Layout:
    """Plan the buckets for rows of these lengths, in stream order."""
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    groups: list[list[int]] = []
    for row in order:
        if groups and lengths[row] <= WASTE * lengths[groups[-1][0]] + 1:
            groups[-1].append(row)
        else:
            groups.append([row])
    buckets = []
    inverse = torch.empty(starts[-1], dtype=torch.long)
    padded = []
    done = 0
    for group in groups:
        longest = lengths[group[-1]]
        cells = torch.zeros(len(group), longest, dtype=torch.long)
        filled = torch.zeros(len(group), longest, dtype=torch.bool)
        for place, row in enumerate(group):
            size = lengths[row]
            cells[place, :size] = torch.arange(starts[row], starts[row] + size)
            filled[place, :size] = True
            inverse[starts[row] : starts[row] + size] = torch.arange(size) + done + place * longest
        padded.append(~filled.flatten())
        buckets.append(Bucket(rows=len(group), length=longest, gather=cells.flatten()))
        done += len(group) * longest
    return Layout(buckets=tuple(buckets), inverse=inverse, padded=torch.cat(padded)[:, None, None])


class _Current:
    """The layout of the forward pass that is running; `transformers` offers no typed way to hand it down."""

    layout: Layout | None = None


@contextmanager
def packed(layout: Layout) -> Iterator[None]:
    """Run forward passes over this layout."""
    before = _Current.layout
    _Current.layout = layout
    try:
        yield
    finally:
        _Current.layout = before


class _ToCells(torch.autograd.Function):
    """[T, H, D] tokens to [cells, H, D]; the gradient of a token is that of its one cell, so no scatter is needed."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, gather: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return tokens.index_select(0, gather)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gradients[0].index_select(0, inverse), None, None


class _ToTokens(torch.autograd.Function):
    """[cells, H, D] to [T, H, D]; padding cells get a zero gradient."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, gather: Tensor, inverse: Tensor, padded: Tensor) -> Tensor:
        ctx.save_for_backward(gather, padded)
        return cells.index_select(0, inverse)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        gather, padded = ctx.saved_tensors
        return gradients[0].index_select(0, gather).masked_fill_(padded, 0), None, None, None


# torch leaves `apply` untyped.
_to_cells = cast(Callable[..., Tensor], _ToCells.apply)
_to_tokens = cast(Callable[..., Tensor], _ToTokens.apply)


def packed_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Causal attention inside each row; query [1, H, T, D], key and value [1, K, T, D] -> [1, T, H, D].

    A `sliding_window` is kept. ValueError for what this kernel does not compute: soft capping and attention sinks.
    """
    layout = _Current.layout
    assert layout is not None, "packed attention runs inside `packed(layout)` only"
    for name in ("softcap", "s_aux"):
        if settings.get(name) is not None:
            raise ValueError(f"attention with {name}")
    repeats = query.shape[1] // key.shape[1]
    gather = torch.cat([bucket.gather for bucket in layout.buckets])
    cells = [_to_cells(part[0].transpose(0, 1).float(), gather, layout.inverse) for part in (query, key, value)]
    outputs = []
    start = 0
    for bucket in layout.buckets:
        stop = start + bucket.rows * bucket.length
        q, k, v = (
            part[start:stop].view(bucket.rows, bucket.length, -1, part.shape[-1]).transpose(1, 2) for part in cells
        )
        if repeats > 1:
            k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
        mask = _window_mask(bucket.length, settings.get("sliding_window"))
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=settings.get("scaling")
        )
        outputs.append(out.transpose(1, 2).reshape(stop - start, -1, out.shape[-1]))
        start = stop
    joined = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
    tokens = _to_tokens(joined, gather, layout.inverse, layout.padded)
    return tokens.to(query.dtype)[None], None


def _window_mask(length: int, window: int | None) -> Tensor | None:
    """[L, L] True where a token may look: itself and the `window - 1` before it. None where that is all before it."""
    if not window or length <= window:
        return None
    allowed = torch.ones(length, length, dtype=torch.bool).tril()
    return allowed.triu(1 - window)


def _no_mask(*_arguments: Any, **_settings: Any) -> None:
    """The layout says who attends to whom."""


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, _no_mask)
