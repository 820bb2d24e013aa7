"""Rows that begin alike, computed once: a tree of tokens in one stream, each attending to its ancestors and itself.

Rows are sorted, and each adds to the stream what the row before it does not begin with: a run. A run attends to itself
causally and to whole stretches of earlier runs; the partial results are joined through their log-sum-exp, and the
backward pass of every part uses the joined result, which makes the gradient exact (Dao et al. 2022, arXiv:2205.14135).
"""

# T tokens of all rows, U tokens of the stream, H query heads, K key heads, G = H / K, D head size, E embedding

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

from luthier.models.attention import Scope
from luthier.models.blocks import block_states, fits
from luthier.models.forward import ROUND, TOLERANCE, Forward, TokenRows, packed_states
from luthier.models.load import backbone
from luthier.models.recompute import hold

TREE = "luthier_tree"
LEAST = 16
"""Tokens that rows must have in common, beyond what more rows have, to be worth a branch."""
Ids = NDArray[np.int64]


class Node(NamedTuple):
    """Sorted rows `first` to `stop` - 1 begin alike for `depth` tokens; more rows do for `above` of them."""

    first: int
    stop: int
    above: int
    depth: int


class Part(NamedTuple):
    """A block of the attention; queries and keys are contiguous in the stream."""

    queries: slice
    keys: slice
    is_run: bool
    """A run over itself, causally; otherwise every query looks at every key."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Rows as one stream of tokens in which nothing that they begin with stands twice."""

    ids: Tensor
    """[U]"""
    positions: Tensor
    """[U] how many ancestors each token has."""
    places: Tensor
    """[T] where in the stream each token of each row stands, rows in the order given."""
    parts: tuple[Part, ...]
    """First every run over itself, then runs over what they branch off."""


def grow_tree(rows: TokenRows) -> Tree:
    """The tree of these rows; its stream is rounded up with filler, for the reason that `packed_states` gives."""
    arrays = [np.asarray(row, dtype=np.int64) for row in rows]
    order = tree_order(arrays)
    ordered = [arrays[index] for index in order]
    nodes = branch_nodes([0, *(common_length(*pair) for pair in pairwise(ordered))])
    depths = [0] * len(rows)
    for first, stop, _, depth in nodes:  # parents come first, so the deepest node has the last word
        depths[first + 1 : stop] = [depth] * (stop - first - 1)
    starts = [0, *accumulate(len(row) - depth for row, depth in zip(ordered, depths, strict=True))]
    paths: list[Ids] = []
    for row, depth, start in zip(ordered, depths, starts[:-1], strict=True):
        before = paths[-1][:depth] if paths else np.zeros(0, dtype=np.int64)
        paths.append(np.concatenate([before, np.arange(start, start + len(row) - depth)]))
    filler = -starts[-1] % ROUND
    runs = [slice(*pair) for pair in pairwise([*starts, starts[-1] + filler])]
    parts = [Part(run, run, is_run=True) for run in runs if run.start < run.stop]
    for node in nodes:
        begin = int(paths[node.first][node.above])
        queries = slice(starts[node.first + 1], starts[node.stop])
        if queries.start < queries.stop:
            parts.append(Part(queries, slice(begin, begin + node.depth - node.above), is_run=False))
    stream = [row[depth:] for row, depth in zip(ordered, depths, strict=True)]
    positions = [np.arange(depth, len(row)) for row, depth in zip(ordered, depths, strict=True)]
    in_order = sorted(range(len(rows)), key=order.__getitem__)
    return Tree(
        ids=torch.from_numpy(np.concatenate([*stream, np.zeros(filler, dtype=np.int64)])),
        positions=torch.from_numpy(np.concatenate([*positions, np.arange(filler)])),
        places=torch.from_numpy(np.concatenate([paths[place] for place in in_order])),
        parts=tuple(parts),
    )


def tree_order(rows: Sequence[Ids]) -> list[int]:
    """Indices of the rows, sorted by their ids: rows that begin alike stand together."""
    return sorted(range(len(rows)), key=lambda index: rows[index].astype(">u4").tobytes())


def common_length(first: Ids, second: Ids) -> int:
    """How many tokens two rows begin with alike."""
    size = min(len(first), len(second))
    differs = first[:size] != second[:size]
    return int(differs.argmax()) if differs.any() else size


def branch_nodes(shared: Sequence[int]) -> list[Node]:
    """The inner nodes of the tree of sorted rows, parents first. Row i begins like row i - 1 for `shared[i]` tokens."""
    nodes = []
    open_nodes = [Node(0, len(shared), 0, 0)]
    while open_nodes:
        whole = open_nodes.pop()
        cuts = [row for row in range(whole.first + 1, whole.stop) if shared[row] < whole.depth + LEAST]
        for first, stop in pairwise([whole.first, *cuts, whole.stop]):
            if stop - first > 1:
                node = Node(first, stop, whole.depth, min(shared[first + 1 : stop]))
                nodes.append(node)
                open_nodes.append(node)
    return nodes


def tree_states(model: Any, rows: TokenRows) -> Tensor:
    """Last hidden states of a causal model over all rows, each token of their tree computed once: [T, E].

    The same numbers as `packed_states` gives, in the same order.
    """
    tree = grow_tree(rows)
    inner: Any = backbone(model)
    if fits(inner):
        stream = block_states(inner, tree.ids, tree.positions, attend=partial(tree_rows_attention, tree=tree))
        return stream.index_select(0, tree.places)
    usual = model.config._attn_implementation
    model.config._attn_implementation = TREE
    try:
        with growing(tree):
            output = inner(input_ids=tree.ids[None], position_ids=tree.positions[None], use_cache=False)
    finally:
        model.config._attn_implementation = usual
    states: Tensor = output.last_hidden_state[0].index_select(0, tree.places)
    return states


class _Current:
    """The tree of the forward pass that is running; `transformers` offers no typed way to hand it down."""

    tree: Tree | None = None


hold(_Current, "tree")


@contextmanager
def growing(tree: Tree) -> Iterator[None]:
    """Run forward passes over this tree."""
    before = _Current.tree
    _Current.tree = tree
    try:
        yield
    finally:
        _Current.tree = before


class _JoinedAttention(torch.autograd.Function):
    """query [K, G, U, D], key and value [K, 1, U, D] -> [K, G, U, D], all float32, over the parts and their masks."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, parts: Sequence[tuple[Part, Tensor | None]], scale: float
    ) -> Tensor:
        heads, group, length, size = query.shape
        output = query.new_empty(length, heads, group, size).permute(1, 2, 0, 3)
        mass = query.new_empty(heads, group, length)
        for part, mask in parts:
            found, weight = _flash(
                *_blocks(part, query, key, value), 0.0, _causal(part, mask), attn_mask=mask, scale=scale
            )
            if mask is not None:  # to the kernel, a query that sees no key has a mass of 1
                weight = weight.masked_fill(mask.isneginf().all(dim=1), -torch.inf)
            held, total = output[:, :, part.queries], mass[:, :, part.queries]
            if part.is_run:
                held.copy_(found)
                total.copy_(weight)
                continue
            joined = torch.logaddexp(total, weight)
            held.mul_((total - joined).exp_()[..., None]).addcmul_(found, (weight - joined).exp_()[..., None])
            total.copy_(joined)
        ctx.save_for_backward(query, key, value, output, mass)
        ctx.parts, ctx.scale = parts, scale
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, output, mass = ctx.saved_tensors
        incoming = gradients[0] if gradients[0].stride(-1) == 1 else gradients[0].contiguous()
        of_query, of_key, of_value = (torch.empty_like(each) for each in (query, key, value))
        for part, mask in ctx.parts:
            given, held, total = (each[:, :, part.queries] for each in (incoming, output, mass))
            blocks = _blocks(part, query, key, value)
            found = _flash_backward(
                given, *blocks, held, total, 0.0, _causal(part, mask), attn_mask=mask, scale=ctx.scale
            )
            for whole, piece, span in zip(
                (of_query, of_key, of_value), found, (part.queries, part.keys, part.keys), strict=True
            ):
                piece = piece.sum(dim=1, keepdim=True) if whole.shape[1] == 1 else piece
                whole[:, :, span] = piece if part.is_run else whole[:, :, span] + piece
        return of_query, of_key, of_value, None, None


def tree_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention of each token to its ancestors and itself; query [1, H, U, D], key, value [1, K, U, D] -> [1, U, H, D].

    A `sliding_window` is kept. ValueError for what this kernel does not compute: soft capping and attention sinks.
    """
    tree = _Current.tree
    assert tree is not None, "tree attention runs inside `growing(tree)` only"
    for name in ("softcap", "s_aux"):
        if settings.get(name) is not None:
            raise ValueError(f"attention with {name}")
    scope = Scope(settings.get("scaling") or query.shape[-1] ** -0.5, settings.get("sliding_window") or None)
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    return tree_rows_attention(q, k, v, scope, tree=tree)[None], None


def tree_rows_attention(q: Tensor, k: Tensor, v: Tensor, scope: Scope, *, tree: Tree) -> Tensor:
    """Attention of each token to its ancestors and itself: q [U, H, D], k and v [U, K, D] -> [U, H, D]."""
    query, key, value = (part.float().transpose(0, 1) for part in (q, k, v))
    grouped = query.unflatten(0, (key.shape[0], -1))
    parts = list(_seen_parts(tree, scope.window))
    output = _joined_attention(grouped, key[:, None], value[:, None], parts, scope.scale)
    return output.permute(2, 0, 1, 3).flatten(1, 2).to(q.dtype)


def _seen_parts(tree: Tree, window: int | None) -> Iterator[tuple[Part, Tensor | None]]:
    """The parts in which something is seen, with a mask [queries, keys] to add where a window hides some of it."""
    for part in tree.parts:
        distance = tree.positions[part.queries, None] - tree.positions[None, part.keys]
        if not window or int(distance.max()) < window:
            yield part, None
        elif part.is_run or int(distance.min()) < window:
            hidden = (distance >= window) | (distance < 0)
            yield part, torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)


def _blocks(part: Part, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the kernel is handed for one part, as views: all [K, G, tokens, D]."""
    group = query.shape[1]
    keys, values = (each[:, :, part.keys].expand(-1, group, -1, -1) for each in (key, value))
    return query[:, :, part.queries], keys, values


def _causal(part: Part, mask: Tensor | None) -> bool:
    return part.is_run and mask is None


def choose_tree(model: Any, rows: TokenRows, *, forward: Forward) -> str | None:
    """Why the tree must not be taken: it gives this model other states than `forward` does (R7). None if it may.

    `rows` is a small sample, from which rows that branch off each other are made.
    """
    if forward is not packed_states:
        return "rows that cannot be packed cannot branch"
    short = [row[: 3 * LEAST] for row in rows]  # every row goes on from every other: long ones would take long
    forest = [*short, *([*start[: 2 * LEAST], *row] for start in short for row in short)]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone, together = forward(model, forest).float(), tree_states(model, forest).float()
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return f"this architecture cannot take a tree of rows ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    worst = float((alone - together).abs().max() / alone.abs().max())
    if not worst <= TOLERANCE[next(model.parameters()).dtype]:  # also if it is not a number
        return f"a tree of rows would differ by {worst:.1e} (R7)"
    return None


def _no_mask(*_arguments: Any, **_settings: Any) -> None:
    """The tree says who attends to whom."""


# torch leaves these untyped.
_joined_attention = cast(Callable[..., Tensor], _JoinedAttention.apply)
_flash = cast(Callable[..., tuple[Tensor, Tensor]], torch.ops.aten._scaled_dot_product_flash_attention_for_cpu)
_flash_backward = cast(
    Callable[..., tuple[Tensor, Tensor, Tensor]], torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
)
AttentionInterface.register(TREE, tree_attention)
AttentionMaskInterface.register(TREE, _no_mask)
