"""Rows that begin alike, computed once: a tree of tokens in one stream, each attending to its ancestors and itself.

Rows are sorted, and each adds to the stream what the row before it does not begin with: a run. What a run goes on from
is its stem. The numbers are those of each row by itself, and so are the gradients, because they add up in the stem.
"""

# T tokens of all rows, U tokens of the stream, E embedding

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luthier.models.attention import packed_layout
from luthier.models.causal import causal_states
from luthier.models.forward import ROUND, TOLERANCE, Forward, TokenRows, packed_states
from luthier.models.tree_attention import Branching, Stretch, tree_rows_attention

LEAST = 16
"""Tokens that rows must have in common, beyond what more rows have, to be worth a branch."""
Ids = NDArray[np.int64]


class Node(NamedTuple):
    """Sorted rows `first` to `stop` - 1 begin alike for `depth` tokens."""

    first: int
    stop: int
    depth: int


@dataclass(frozen=True, slots=True)
class Tree:
    """Rows as one stream of tokens in which nothing that they begin with stands twice."""

    ids: Tensor
    """[U]"""
    positions: Tensor
    """[U] how many ancestors each token has."""
    places: Tensor
    """[T] where in the stream each token of each row stands, rows in the order given."""
    branching: Branching


def grow_tree(rows: TokenRows) -> Tree:
    """The tree of these rows; its stream is rounded up with filler, for the reason that `packed_states` gives."""
    arrays = [np.asarray(row, dtype=np.int64) for row in rows]
    order = tree_order(arrays)
    ordered = [arrays[index] for index in order]
    nodes = branch_nodes([0, *(common_length(*pair) for pair in pairwise(ordered))])
    depths = [0] * len(rows)
    for first, stop, depth in nodes:  # parents come first, so the deepest node has the last word
        depths[first + 1 : stop] = [depth] * (stop - first - 1)
    starts = [0, *accumulate(len(row) - depth for row, depth in zip(ordered, depths, strict=True))]
    paths: list[Ids] = []
    for row, depth, start in zip(ordered, depths, starts[:-1], strict=True):
        before = paths[-1][:depth] if paths else np.zeros(0, dtype=np.int64)
        paths.append(np.concatenate([before, np.arange(start, start + len(row) - depth)]))
    filler = -starts[-1] % ROUND
    stream = [row[depth:] for row, depth in zip(ordered, depths, strict=True)]
    positions = [np.arange(depth, len(row)) for row, depth in zip(ordered, depths, strict=True)]
    in_order = sorted(range(len(rows)), key=order.__getitem__)
    return Tree(
        ids=torch.from_numpy(np.concatenate([*stream, np.zeros(filler, dtype=np.int64)])),
        positions=torch.from_numpy(np.concatenate([*positions, np.arange(filler)])),
        places=torch.from_numpy(np.concatenate([paths[place] for place in in_order])),
        branching=_branching([*map(len, stream), filler], [*zip(paths, depths, strict=True), (paths[0], 0)]),
    )


def _branching(sizes: Sequence[int], stems: Sequence[tuple[Ids, int]]) -> Branching:
    """The layout of runs of these sizes, each going on from the first tokens of a path; empty ones are left out."""
    kinds: dict[tuple[Stretch, ...], int] = {(): 0}
    numbers = [kinds.setdefault(_stretches(path[:depth]), len(kinds)) for path, depth in stems]
    filled = [place for place, size in enumerate(sizes) if size]
    layout = packed_layout([sizes[place] for place in filled], kinds=[numbers[place] for place in filled])
    return Branching(layout, tuple(kinds))


def _stretches(path: Ids) -> tuple[Stretch, ...]:
    """Places in the stream as contiguous stretches."""
    cuts = np.flatnonzero(np.diff(path) != 1) + 1
    return tuple(Stretch(int(part[0]), int(part[-1]) + 1) for part in np.split(path, cuts) if len(part))


def tree_order(rows: Sequence[Ids]) -> list[int]:
    """Indices of the rows, sorted by their ids: rows that begin alike stand together."""
    return sorted(range(len(rows)), key=lambda index: rows[index].astype(">u4").tobytes())


def neighbours(rows: TokenRows, *, tokens: int) -> list[list[int]]:
    """Indices of rows in batches of at most `tokens` that they do not begin with alike, in the order given."""
    batches: list[list[int]] = []
    size = 0
    before = np.zeros(0, dtype=np.int64)
    for index, row in enumerate(rows):
        ids = np.asarray(row, dtype=np.int64)
        added = len(ids) - common_length(before, ids)
        if batches and size + added <= tokens:
            batches[-1].append(index)
            size += added
        else:
            batches.append([index])
            size = len(ids)
        before = ids
    return batches


def common_length(first: Ids, second: Ids) -> int:
    """How many tokens two rows begin with alike."""
    size = min(len(first), len(second))
    differs = first[:size] != second[:size]
    return int(differs.argmax()) if differs.any() else size


def branch_nodes(shared: Sequence[int]) -> list[Node]:
    """The inner nodes of the tree of sorted rows, parents first. Row i begins like row i - 1 for `shared[i]` tokens."""
    nodes = []
    open_nodes = [Node(0, len(shared), 0)]
    while open_nodes:
        whole = open_nodes.pop()
        cuts = [row for row in range(whole.first + 1, whole.stop) if shared[row] < whole.depth + LEAST]
        for first, stop in pairwise([whole.first, *cuts, whole.stop]):
            if stop - first > 1:
                node = Node(first, stop, min(shared[first + 1 : stop]))
                nodes.append(node)
                open_nodes.append(node)
    return nodes


def tree_states(model: Any, rows: TokenRows) -> Tensor:
    """Last hidden states of a causal model over all rows, each token of their tree computed once: [T, E].

    The same numbers as `packed_states` gives, in the same order.
    """
    tree = grow_tree(rows)
    attend = partial(tree_rows_attention, branching=tree.branching)
    return causal_states(model, tree.ids, tree.positions, attend=attend).index_select(0, tree.places)


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
