"""Exact attention over packed rows: no padding in the token stream, no attention across rows.

Rows of like length share their products. Of long rows nothing is kept that grows with the square of the length: the
backward pass computes it again, block by block.
"""

# T tokens of all rows, H query heads, K key heads, G = H / K, D head size
# B rows of a bucket, L its longest row, N = B K attentions that know nothing of each other, M = L G their queries

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

WASTE = 1.15
"""Rows join a bucket while its longest row is at most this many times its shortest."""
BLOCK = 256
"""Tokens whose scores are computed at once: the upper triangle that is thrown away is at most half a block."""
LANES = 32
"""bfloat16 numbers in a register."""
KEEP = 256
"""Rows up to this length keep their attention for the backward pass."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows of like length; padded cells read token 0 and nobody reads what they compute."""

    rows: int
    length: int
    kind: int = 0
    """That of all its rows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a packed stream lie."""

    buckets: tuple[Bucket, ...]
    gather: Tensor
    """[cells] token index of every cell of all buckets."""
    inverse: Tensor
    """[T] cell, over all buckets one after the other, that holds each token."""
    padded: Tensor | None
    """Cells that are padding; None where there are none."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which earlier tokens of its row a token attends to, and how scores are scaled."""

    scale: float
    window: int | None = None
    """Itself and the `window - 1` tokens before it; None: all before it."""


def packed_layout(lengths: Sequence[int], *, kinds: Sequence[int] = ()) -> Layout:
    """Plan the buckets for rows of these lengths, in stream order; rows of different kinds share none."""
    kinds = kinds or [0] * len(lengths)
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    order = sorted(range(len(lengths)), key=lambda row: (kinds[row], lengths[row], row))
    groups: list[list[int]] = []
    for row in order:
        first = groups[-1][0] if groups else row
        if groups and kinds[row] == kinds[first] and lengths[row] <= WASTE * lengths[first] + 1:
            groups[-1].append(row)
        else:
            groups.append([row])
    buckets, gather = [], []
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
        gather.append(cells.flatten())
        buckets.append(Bucket(len(group), longest, kinds[group[0]]))
        done += len(group) * longest
    empty = torch.cat(padded).nonzero()[:, 0]
    return Layout(tuple(buckets), torch.cat(gather), inverse, empty if len(empty) else None)


class PackedAttention(torch.autograd.Function):
    """Causal softmax attention inside each row (Vaswani et al. 2017, arXiv:1706.03762, eq. 1); for long rows scores
    are computed again in the backward pass (Dao et al. 2022, arXiv:2205.14135).

    q [T, H, D], k and v [T, K, D] -> [T, H, D]; query head h reads key head h // G (Ainslie et al. 2023,
    arXiv:2305.13245).
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, layout: Layout, scope: Scope) -> Tensor:
        heads = k.shape[1]
        parts = [_to_cells(part, layout, heads=heads) for part in (q, k, v)]
        for q_NMD in parts[0]:
            q_NMD.mul_(scope.scale)
        outputs, kept = [], []
        for q_NMD, k_NLD, v_NLD in zip(*parts, strict=True):
            made = []
            for block in row_blocks(k_NLD.shape[1], q_NMD.shape[1] // k_NLD.shape[1], scope.window, k_NLD.dtype):
                shares = _shares(q_NMD, k_NLD, block)
                made.append(torch.bmm(shares, v_NLD[:, block.keys]))
                if k_NLD.shape[1] <= KEEP and ctx.needs_input_grad[0]:
                    kept.append(shares)
            outputs.append(torch.cat(made, dim=1) if len(made) > 1 else made[0])
        ctx.save_for_backward(*(each for part in parts for each in part), *kept)
        ctx.layout, ctx.scope, ctx.heads = layout, scope, heads
        return _to_tokens(outputs, layout, heads=heads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        layout, scope, heads = ctx.layout, ctx.scope, ctx.heads
        count = len(layout.buckets)
        saved = ctx.saved_tensors  # once: checkpointing recomputes at the first look and forgets
        saved, kept = saved[: 3 * count], iter(saved[3 * count :])
        slopes = _to_cells(gradients[0], layout, heads=heads, clear=True)
        found = []
        for place, slope in enumerate(slopes):
            q_NMD, k_NLD, v_NLD = saved[place::count]
            blocks = row_blocks(k_NLD.shape[1], q_NMD.shape[1] // k_NLD.shape[1], scope.window, k_NLD.dtype)
            given = kept if k_NLD.shape[1] <= KEEP else (_shares(q_NMD, k_NLD, block) for block in blocks)
            found.append(_gradients(q_NMD, k_NLD, v_NLD, slope_NMD=slope, blocks=blocks, shares=given))
        dq, dk, dv = (_to_tokens(list(part), layout, heads=heads) for part in zip(*found, strict=True))
        return dq.mul_(scope.scale), dk, dv, None, None


# torch leaves `apply` untyped.
_attend = cast(Callable[[Tensor, Tensor, Tensor, Layout, Scope], Tensor], PackedAttention.apply)


def packed_rows_attention(q: Tensor, k: Tensor, v: Tensor, scope: Scope, *, layout: Layout) -> Tensor:
    """Causal attention inside each row of a stream: q [T, H, D], k and v [T, K, D] -> [T, H, D]."""
    return _attend(q, k, v, layout, scope)


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Some queries of a row, in order, and all keys that one of them attends to."""

    queries: slice
    """Of M."""
    keys: slice
    """Of L."""
    edge: int
    """Keys from here on, counted from the first of the block, are not seen by all queries."""
    mask: Tensor
    """[1, Q, keys from the edge on] -inf where a query does not attend to a key, else 0."""


@lru_cache(maxsize=256)
def row_blocks(length: int, group: int, window: int | None, dtype: torch.dtype) -> tuple[RowBlock, ...]:
    """A row of this length cut into queries that are computed at once; `group` query heads read each key head."""
    count = math.ceil(length / BLOCK)
    found = []
    for number in range(count):
        start, stop = number * length // count, (number + 1) * length // count
        first = 0 if window is None else max(0, start - window + 1)
        edge = start - first if window is None or length <= window else 0
        asking, asked = torch.arange(start, stop)[:, None], torch.arange(first + edge, stop)
        hidden = asked > asking
        if window is not None:
            hidden |= asked <= asking - window
        mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)
        mask = mask.repeat_interleave(group, dim=0)[None]
        found.append(RowBlock(slice(start * group, stop * group), slice(first, stop), edge, mask))
    return tuple(found)


def _shares(q_NMD: Tensor, k_NLD: Tensor, block: RowBlock) -> Tensor:
    """How much each query of a block takes of each key: [N, Q, keys]."""
    scores = torch.bmm(q_NMD[:, block.queries], k_NLD[:, block.keys].transpose(1, 2))
    scores[:, :, block.edge :] += block.mask
    return shares_of(scores)


def shares_of(scores: Tensor) -> Tensor:
    """Softmax over the last dimension; torch computes what is left over of a bfloat16 row one number at a time."""
    whole = scores.shape[-1] % LANES == 0
    return scores.softmax(dim=-1) if whole else scores.softmax(dim=-1, dtype=torch.float32).to(scores.dtype)


def _gradients(
    q_NMD: Tensor,
    k_NLD: Tensor,
    v_NLD: Tensor,
    *,
    slope_NMD: Tensor,
    blocks: Sequence[RowBlock],
    shares: Iterable[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of one bucket's scaled queries, keys and values; sums over several blocks are float32."""
    dq_parts, dk_parts, dv_parts = [], [], []
    # `blocks` first: the other iterator goes on to the next bucket.
    for block, shares_NQL in zip(blocks, shares, strict=False):
        slope = slope_NMD[:, block.queries]
        dv_parts.append(torch.bmm(shares_NQL.transpose(1, 2), slope))
        dshares_NQL = torch.bmm(slope, v_NLD[:, block.keys].transpose(1, 2))
        dscores_NQL = torch._softmax_backward_data(dshares_NQL, shares_NQL, -1, shares_NQL.dtype)
        dq_parts.append(torch.bmm(dscores_NQL, k_NLD[:, block.keys]))
        dk_parts.append(torch.bmm(dscores_NQL.transpose(1, 2), q_NMD[:, block.queries]))
    if len(blocks) == 1:
        return dq_parts[0], dk_parts[0], dv_parts[0]
    return torch.cat(dq_parts, dim=1), _summed(dk_parts, blocks, like=k_NLD), _summed(dv_parts, blocks, like=v_NLD)


def _summed(parts: Sequence[Tensor], blocks: Sequence[RowBlock], *, like: Tensor) -> Tensor:
    total = torch.zeros(like.shape, dtype=torch.float32)
    for block, part in zip(blocks, parts, strict=True):
        total[:, block.keys] += part
    return total.to(like.dtype)


def _to_cells(x_THD: Tensor, layout: Layout, *, heads: int, clear: bool = False) -> list[Tensor]:
    """Tokens [T, H, D] to one [B K, L G, D] per bucket; `clear` puts zeros where cells are padding."""
    cells = x_THD.flatten(1).index_select(0, layout.gather)
    if clear and layout.padded is not None:
        cells.index_fill_(0, layout.padded, 0)
    found, start = [], 0
    for bucket in layout.buckets:
        stop = start + bucket.rows * bucket.length
        part = cells[start:stop].view(bucket.rows, bucket.length, heads, -1).transpose(1, 2)
        found.append(part.reshape(bucket.rows * heads, -1, x_THD.shape[-1]))
        start = stop
    return found


def _to_tokens(parts: Sequence[Tensor], layout: Layout, *, heads: int) -> Tensor:
    """What `_to_cells` made, back to [T, H, D]."""
    flat = []
    for bucket, part in zip(layout.buckets, parts, strict=True):
        cells = part.view(bucket.rows, heads, bucket.length, -1).transpose(1, 2)
        flat.append(cells.reshape(bucket.rows * bucket.length, -1))
    joined = torch.cat(flat) if len(flat) > 1 else flat[0]
    return joined.index_select(0, layout.inverse).view(len(layout.inverse), -1, parts[0].shape[-1])
