"""Which rows each step learns from: a pure function of the seed, so resuming costs nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.worded import IntArray, Ragged
from luthier.records import Worded

Cut = Callable[[Mapping[int, Worded]], list[list[int]]]
"""Cuts rows, given by number, into micro-batches."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One optimizer step."""

    index: int
    """From 1."""
    epoch: float
    """Epochs done when the step is done."""
    rows: tuple[int, ...]


class Steps(Sequence[StepPlan]):
    """All steps of a run; of their rows, one epoch's order at a time is in memory."""

    def __init__(self, ends: IntArray, *, bundles: int, seed: int, members: Ragged | None = None) -> None:
        self.ends = ends
        """[steps]: bundles learnt from when each step is done, over all epochs."""
        self._bundles = bundles
        self._seed = seed
        self._members = members
        """The rows of each bundle; None if every row is one."""
        self._order: tuple[int, IntArray] | None = None

    @property
    def epochs(self) -> NDArray[np.float64]:
        """Epochs done when each step is done: [steps]."""
        return self.ends / self._bundles

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> StepPlan: ...
    @overload
    def __getitem__(self, index: slice) -> list[StepPlan]: ...
    def __getitem__(self, index: int | slice) -> StepPlan | list[StepPlan]:
        if isinstance(index, slice):
            return [self._step(place) for place in range(len(self))[index]]
        return self._step(range(len(self))[index])

    def _step(self, place: int) -> StepPlan:
        start, end = int(self.ends[place - 1]) if place else 0, int(self.ends[place])
        epoch, first = divmod(start, self._bundles)
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, _epoch_order(self._bundles, seed=self._seed, epoch=epoch))
        rows = self._order[1][first : first + end - start].tolist()
        if self._members is not None:
            rows = [row for bundle in rows for row in self._members.of(bundle).tolist()]
        return StepPlan(place + 1, end / self._bundles, tuple(rows))


def plan_steps(
    sizes: Sequence[int] | IntArray, *, epochs: float, batch_tokens: int, seed: int, members: Ragged | None = None
) -> Steps:
    """Shuffle every epoch and cut it into steps of about `batch_tokens` tokens; the last epoch may be partial.

    What is dealt out are bundles of these sizes: single rows, or the `members` of each. At least one is learnt from.
    """
    sizes = np.asarray(sizes, dtype=np.int64)
    wanted = max(1, round(epochs * len(sizes)))
    ends = []
    for epoch, done in enumerate(range(0, wanted, len(sizes))):
        order = _epoch_order(len(sizes), seed=seed, epoch=epoch)[: wanted - done]
        ends.append(done + _cuts(sizes[order], batch_tokens))
    return Steps(np.concatenate(ends), bundles=len(sizes), seed=seed, members=members)


def _epoch_order(bundles: int, *, seed: int, epoch: int) -> IntArray:
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(bundles)


def _cuts(sizes: IntArray, batch_tokens: int) -> IntArray:
    """Where to cut rows of these sizes so that each piece, unless it is one row, holds at most `batch_tokens`."""
    totals = np.cumsum(sizes)
    ends = []
    start = before = 0
    while start < len(sizes):
        start = max(start + 1, int(np.searchsorted(totals, before + batch_tokens, side="right")))
        before = int(totals[start - 1])
        ends.append(start)
    return np.array(ends, dtype=np.int64)


def cut_by_length(held: Mapping[int, Worded], *, tokens: int) -> list[list[int]]:
    """`micro_batches` of rows that are at hand."""
    return micro_batches(list(held), {number: len(row.ids) for number, row in held.items()}, tokens=tokens)


def cut_packed(held: Mapping[int, Worded], *, tokens: int) -> list[list[int]]:
    """`micro_batches` of rows that are at hand and take no padding."""
    lengths = {number: len(row.ids) for number, row in held.items()}
    return micro_batches(list(held), lengths, tokens=tokens, padded=False)


def micro_batches(
    rows: Sequence[int],
    lengths: Sequence[int] | Mapping[int, int] | IntArray,
    *,
    tokens: int,
    padded: bool = True,
) -> list[list[int]]:
    """Cut a step into pieces of at most `tokens` tokens, like lengths together; a longer row stands alone.

    `padded`: every row counts as many tokens as the longest of its piece.
    """
    pieces: list[list[int]] = []
    size = 0
    for row in sorted(rows, key=lambda index: (lengths[index], index)):
        size = (len(pieces[-1]) + 1) * lengths[row] if padded and pieces else size + lengths[row]
        if not pieces or size > tokens:
            pieces.append([])
            size = lengths[row]
        pieces[-1].append(row)
    return pieces
