"""Exact attention over a tree of tokens: every run attends to itself, and to the stem that it goes on from.

Runs of like length with the same stem share their products; the stem's keys are read once for all of them.
"""

# U tokens of the stream, H query heads, K key heads, G = H / K, D head size
# B runs of a bucket, L its longest run, M = L G queries, Q those of one block, A tokens of the stem

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from luthier.models.attention import KEEP, Layout, RowBlock, Scope, row_blocks, shares_of


class Stretch(NamedTuple):
    """Tokens of the stream that follow each other."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Branching:
    """Where the runs of a tree lie, and what they go on from."""

    layout: Layout
    stems: tuple[tuple[Stretch, ...], ...]
    """Of each kind of run, its ancestors, in order."""


class _Held(NamedTuple):
    """What one bucket computes with; queries are scaled. A stem may be empty."""

    q_KBMD: Tensor
    k_KBLD: Tensor
    v_KBLD: Tensor
    stem_k_KAD: Tensor
    stem_v_KAD: Tensor

    def blocks(self, window: int | None) -> tuple[RowBlock, ...]:
        """Its runs, cut into queries that are computed at once."""
        length = self.k_KBLD.shape[2]
        return row_blocks(length, self.q_KBMD.shape[2] // length, window, self.k_KBLD.dtype)

    def is_small(self) -> bool:
        """Whether its attention is kept for the backward pass."""
        return self.k_KBLD.shape[2] + self.stem_k_KAD.shape[1] <= KEEP


class TreeAttention(torch.autograd.Function):
    """q [U, H, D], k and v [U, K, D] -> [U, H, D]: what `PackedAttention` computes for each path of the tree."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, branching: Branching, scope: Scope) -> Tensor:
        layout, heads = branching.layout, k.shape[1]
        cells = [_to_cells(part, layout, heads=heads) for part in (q, k, v)]
        stems = [[_stem(part, branching.stems[each.kind], scope) for each in layout.buckets] for part in (k, v)]
        buckets = [_Held(*parts) for parts in zip(*cells, *stems, strict=True)]
        outputs, kept = [], []
        for held in buckets:
            held.q_KBMD.mul_(scope.scale)
            made = []
            for block in held.blocks(scope.window):
                shares = _shares(held, block, scope.window)
                made.append(_seen(held, block, shares))
                if held.is_small() and ctx.needs_input_grad[0]:
                    kept.append(shares)
            outputs.append(torch.cat(made, dim=2) if len(made) > 1 else made[0])
        ctx.save_for_backward(*(part for held in buckets for part in held), *kept)
        ctx.branching, ctx.scope = branching, scope
        return _to_tokens(outputs, layout)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        layout, window = ctx.branching.layout, ctx.scope.window
        saved = ctx.saved_tensors  # once: checkpointing recomputes at the first look and forgets
        width = len(_Held._fields)
        count = width * len(layout.buckets)
        buckets = [_Held(*saved[start : start + width]) for start in range(0, count, width)]
        kept = iter(saved[count:])
        slopes = _to_cells(gradients[0], layout, heads=buckets[0].k_KBLD.shape[0], clear=True)
        found = []
        for held, slope_KBMD in zip(buckets, slopes, strict=True):
            parts = []
            for block in held.blocks(window):
                shares = next(kept) if held.is_small() else _shares(held, block, window)
                parts.append(_block_gradients(held, block=block, shares=shares, slope=slope_KBMD[:, :, block.queries]))
            found.append(_joined(parts, held, held.blocks(window)))
        dq, dk, dv = (_to_tokens(parts, layout) for parts in list(zip(*found, strict=True))[:3])
        dk, dv = dk.float(), dv.float()
        for bucket, held in zip(layout.buckets, found, strict=True):
            for whole, part in ((dk, held.stem_k_KAD), (dv, held.stem_v_KAD)):
                _add_stem(whole, part, ctx.branching.stems[bucket.kind])
        kind = gradients[0].dtype
        return dq.mul_(ctx.scope.scale), dk.to(kind), dv.to(kind), None, None


# torch leaves `apply` untyped.
_attend = cast(Callable[[Tensor, Tensor, Tensor, Branching, Scope], Tensor], TreeAttention.apply)


def tree_rows_attention(q: Tensor, k: Tensor, v: Tensor, scope: Scope, *, branching: Branching) -> Tensor:
    """Attention of each token to its ancestors and itself: q [U, H, D], k and v [U, K, D] -> [U, H, D]."""
    return _attend(q, k, v, branching, scope)


def _shares(held: _Held, block: RowBlock, window: int | None) -> Tensor:
    """How much each query of a block takes of each key, first those of the stem: [K B, Q, A + keys]."""
    asking = held.q_KBMD[:, :, block.queries]
    scores = torch.bmm(asking.flatten(0, 1), held.k_KBLD[:, :, block.keys].flatten(0, 1).transpose(1, 2))
    scores[:, :, block.edge :] += block.mask
    size = held.stem_k_KAD.shape[1]
    if size:
        above = torch.bmm(asking.flatten(1, 2), held.stem_k_KAD.transpose(1, 2)).view(len(scores), -1, size)
        group = held.q_KBMD.shape[2] // held.k_KBLD.shape[2]
        if window is not None and size + block.queries.stop // group > window:
            below = torch.arange(block.queries.start, block.queries.stop) // group
            above.masked_fill_(below[:, None] + size - torch.arange(size) >= window, -torch.inf)
        scores = torch.cat([above, scores], dim=2)
    return shares_of(scores)


def _seen(held: _Held, block: RowBlock, shares: Tensor) -> Tensor:
    """The values that the queries of a block take: [K, B, Q, D]."""
    heads, runs, size = *held.k_KBLD.shape[:2], held.stem_v_KAD.shape[1]
    seen: Tensor = torch.bmm(shares[:, :, size:], held.v_KBLD[:, :, block.keys].flatten(0, 1)).unflatten(
        0, (heads, runs)
    )
    if size:
        above = shares[:, :, :size].reshape(heads, -1, size)
        seen = seen + torch.bmm(above, held.stem_v_KAD).view(seen.shape)
    return seen


def _block_gradients(held: _Held, *, block: RowBlock, shares: Tensor, slope: Tensor) -> _Held:
    """Gradients of the scaled queries of one block, of the keys and values that they see, and of the whole stem."""
    heads, size = held.k_KBLD.shape[0], held.stem_k_KAD.shape[1]
    asking, keys, values = (
        part.flatten(0, 1)
        for part in (
            held.q_KBMD[:, :, block.queries],
            held.k_KBLD[:, :, block.keys],
            held.v_KBLD[:, :, block.keys],
        )
    )
    flat = slope.flatten(0, 1)
    slopes = torch.bmm(flat, values.transpose(1, 2))
    if size:
        above = torch.bmm(slope.flatten(1, 2), held.stem_v_KAD.transpose(1, 2)).view(len(slopes), -1, size)
        slopes = torch.cat([above, slopes], dim=2)
    slopes = torch._softmax_backward_data(slopes, shares, -1, shares.dtype)
    own, taken = slopes[:, :, size:], shares[:, :, size:]
    found = (torch.bmm(own, keys), torch.bmm(own.transpose(1, 2), asking), torch.bmm(taken.transpose(1, 2), flat))
    dq, dk, dv = (part.unflatten(0, (heads, -1)) for part in found)
    if not size:
        return _Held(dq, dk, dv, held.stem_k_KAD, held.stem_v_KAD)
    above, above_taken = (part[:, :, :size].reshape(heads, -1, size) for part in (slopes, shares))
    return _Held(
        dq + torch.bmm(above, held.stem_k_KAD).view(dq.shape),
        dk,
        dv,
        torch.bmm(above.transpose(1, 2), asking.reshape(heads, -1, asking.shape[2])),
        torch.bmm(above_taken.transpose(1, 2), slope.flatten(1, 2)),
    )


def _joined(parts: Sequence[_Held], held: _Held, blocks: Sequence[RowBlock]) -> _Held:
    """Gradients of a bucket from those of its blocks; sums over several are float32."""
    if len(parts) == 1:
        return parts[0]
    dk, dv, stem_k, stem_v = (torch.zeros(part.shape) for part in held[1:])
    for block, part in zip(blocks, parts, strict=True):
        dk[:, :, block.keys] += part.k_KBLD
        dv[:, :, block.keys] += part.v_KBLD
        stem_k += part.stem_k_KAD
        stem_v += part.stem_v_KAD
    kind = held.k_KBLD.dtype
    return _Held(torch.cat([part.q_KBMD for part in parts], dim=2), dk.to(kind), dv.to(kind), stem_k, stem_v)


def _stem(x_UKD: Tensor, stretches: Sequence[Stretch], scope: Scope) -> Tensor:
    """Keys or values of a stem, as far as anybody after it sees it: [K, A, D]."""
    if not stretches:
        return x_UKD.new_empty(x_UKD.shape[1], 0, x_UKD.shape[2])
    whole = torch.cat([x_UKD[stretch.start : stretch.stop] for stretch in stretches])
    first = 0 if scope.window is None else max(0, len(whole) - scope.window + 1)
    return whole[first:].transpose(0, 1).contiguous()


def _add_stem(whole_UKD: Tensor, part_KAD: Tensor, stretches: Sequence[Stretch]) -> None:
    """Add gradients of a stem to those of the tokens it is made of; what nobody sees has none."""
    stop = part_KAD.shape[1]
    for stretch in reversed(stretches):
        size = min(stretch.stop - stretch.start, stop)
        whole_UKD[stretch.stop - size : stretch.stop] += part_KAD[:, stop - size : stop].transpose(0, 1)
        stop -= size


def _to_cells(x_UHD: Tensor, layout: Layout, *, heads: int, clear: bool = False) -> list[Tensor]:
    """Tokens [U, H, D] to one [K, B, L G, D] per bucket; `clear` puts zeros where cells are padding."""
    cells = x_UHD.flatten(1).index_select(0, layout.gather)
    if clear and layout.padded is not None:
        cells.index_fill_(0, layout.padded, 0)
    found, start = [], 0
    for bucket in layout.buckets:
        stop = start + bucket.rows * bucket.length
        part = cells[start:stop].view(bucket.rows, bucket.length, heads, -1).permute(2, 0, 1, 3)
        found.append(part.reshape(heads, bucket.rows, -1, x_UHD.shape[-1]))
        start = stop
    return found


def _to_tokens(parts: Sequence[Tensor], layout: Layout) -> Tensor:
    """What `_to_cells` made, back to [U, H, D]."""
    flat = []
    for bucket, part in zip(layout.buckets, parts, strict=True):
        cells = part.unflatten(2, (bucket.length, -1)).permute(1, 2, 0, 3, 4)
        flat.append(cells.reshape(bucket.rows * bucket.length, -1))
    joined = torch.cat(flat) if len(flat) > 1 else flat[0]
    return joined.index_select(0, layout.inverse).view(len(layout.inverse), -1, parts[0].shape[-1])
