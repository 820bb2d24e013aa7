"""Near-duplicate pairs: candidates share a band, and the exact Jaccard similarity of every candidate is counted."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from luthier.prepare.dedup.shingles import Hashes, Offsets
from luthier.prepare.dedup.signature import jaccard_of, sign
from luthier.prepare.dedup.store import StoredSignatures, open_store
from luthier.records import Listener, Tick, nobody_listens

Task = TypeVar("Task")
Done = TypeVar("Done")

LINKS, REMOVES = 0.7, 0.8
"""Jaccard similarity from which two texts stay together, and from which one of them leaves."""
CROWD = 1_000
"""Texts of one bucket above which they are compared with representatives only."""
REPRESENTATIVES = 50
HELD = 1 << 22
"""Candidates held before repeated ones are merged."""
SENT = 2_000
"""Texts sent to a worker at once."""


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two texts by number, the smaller first, and the Jaccard similarity of their shingles."""

    a: int
    b: int
    jaccard: float


def near_pairs(
    copies: Sequence[str],
    *,
    threshold: float = LINKS,
    ranks: Offsets | None = None,
    workers: int = 1,
    spill: Path | None = None,
    listener: Listener = nobody_listens,
) -> list[NearPair]:
    """All pairs of matching copies with Jaccard similarity >= `threshold`, in order.

    Equal copies are paired with the best ranked of them, which alone is compared with others. Short texts (under 20
    words) whose numbers or codes differ are no pair. In buckets of over 1,000 texts only pairs with at most 50
    representatives are found, the best by `ranks` (see `clusters.rank`; None: those with most shingles). The order of
    the texts and the number of `workers` change nothing.
    """
    batches = (copies[start : start + SENT] for start in range(0, len(copies), SENT))
    with open_store(spill) as store:
        for done, signed in enumerate(in_order(sign, batches, workers=workers), start=1):
            store.add(signed)
            listener(Tick("prepare", min(done * SENT, len(copies)), len(copies), "near-duplicates"))
        return pairs_in(store.close(), threshold=threshold, ranks=ranks)


def pairs_in(signatures: StoredSignatures, *, threshold: float = LINKS, ranks: Offsets | None = None) -> list[NearPair]:
    """All pairs of signed texts; see `near_pairs`."""
    if ranks is None:
        ranks = np.lexsort((signatures.prints, -signatures.sizes)).argsort()
    judge = _Judge(signatures, threshold=threshold)
    equal, distinct = _equal_pairs(signatures.prints, ranks=ranks)
    found = judge.judged(equal)
    held: list[Hashes] = []
    for keys in signatures.bands():
        order = distinct[np.argsort(keys[distinct])]
        starts, sizes = _buckets(keys[order])
        few = (sizes > 1) & (sizes <= CROWD)
        held.append(_bucket_pairs(order, starts[few], sizes[few]))
        for start, size in zip(starts[sizes > CROWD].tolist(), sizes[sizes > CROWD].tolist(), strict=True):
            found |= judge.star(order[start : start + size], ranks=ranks)
        if sum(len(one) for one in held) > HELD:
            held = [np.unique(np.concatenate(held))]
    found |= judge.judged(np.unique(np.concatenate(held)))
    return [NearPair(packed >> 32, packed & 0xFFFFFFFF, found[packed]) for packed in sorted(found)]


class _Judge:
    """Counts exact similarities; pairs are packed into one number."""

    def __init__(self, signatures: StoredSignatures, *, threshold: float) -> None:
        self._signatures = signatures
        self._threshold = threshold
        self._sizes = signatures.sizes

    def judged(self, candidates: Hashes) -> dict[int, float]:
        """Those of the packed candidates, ascending, that are near."""
        first, second = (candidates >> np.uint64(32)).astype(np.int64), (candidates & np.uint64(0xFFFFFFFF)).astype(int)
        can = self._can_be_near(first, second)
        found: dict[int, float] = {}
        last, of_first = -1, np.zeros(0, np.uint64)
        for a, b in zip(first[can].tolist(), second[can].tolist(), strict=True):
            if a != last:
                last, of_first = a, self._signatures.shingles(a)
            jaccard = jaccard_of(of_first, self._signatures.shingles(b))
            if jaccard >= self._threshold:
                found[a << 32 | b] = jaccard
        return found

    def star(self, members: Offsets, *, ranks: Offsets) -> dict[int, float]:
        """Near pairs of a crowded bucket: the best left over is compared with all others, 50 times at most."""
        left = members[np.argsort(ranks[members])]
        found: dict[int, float] = {}
        for _ in range(REPRESENTATIVES):
            if len(left) < 2:
                break
            representative, left = int(left[0]), left[1:]
            first, second = np.minimum(left, representative), np.maximum(left, representative)
            packed = _packed(first, second)
            near = self.judged(packed)
            found |= near
            left = left[[near.get(pair, 0.0) < REMOVES for pair in packed.tolist()]]
        return found

    def _can_be_near(self, first: Offsets, second: Offsets) -> npt.NDArray[np.bool_]:
        sizes, short, codes = self._sizes, self._signatures.short, self._signatures.codes
        smaller, larger = np.minimum(sizes[first], sizes[second]), np.maximum(sizes[first], sizes[second])
        differ = (short[first] | short[second]) & (codes[first] != codes[second])
        can: npt.NDArray[np.bool_] = (smaller >= self._threshold * larger) & ~differ
        return can


def _equal_pairs(prints: Hashes, *, ranks: Offsets) -> tuple[Hashes, Offsets]:
    """Equal texts paired with the best ranked of them, packed and ascending, and the numbers of all best ones."""
    order = np.argsort(ranks)
    _, firsts, which = np.unique(prints[order], return_index=True, return_inverse=True)
    best = np.empty(len(prints), dtype=np.int64)
    best[order] = order[firsts[which]]
    others = np.flatnonzero(best != np.arange(len(prints)))
    pairs = _packed(np.minimum(best[others], others), np.maximum(best[others], others))
    return np.sort(pairs), np.sort(order[firsts])


def _buckets(keys: Hashes) -> tuple[Offsets, Offsets]:
    """Starts and sizes of the runs of equal keys."""
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(new)
    return starts, np.diff(np.concatenate((starts, [len(keys)])))


def _bucket_pairs(order: Offsets, starts: Offsets, sizes: Offsets) -> Hashes:
    """All pairs within each bucket, packed."""
    pairs = [np.zeros(0, np.uint64)]
    for apart in range(1, int(sizes.max(initial=1))):
        far = sizes > apart
        starts, sizes = starts[far], sizes[far]
        counts = sizes - apart
        ends = np.cumsum(counts)
        lefts = np.repeat(starts - (ends - counts), counts) + np.arange(int(counts.sum()))
        left, right = order[lefts], order[lefts + apart]
        pairs.append(_packed(np.minimum(left, right), np.maximum(left, right)))
    return np.unique(np.concatenate(pairs))


def _packed(first: Offsets, second: Offsets) -> Hashes:
    return first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64)


def in_order(work: Callable[[Task], Done], tasks: Iterable[Task], *, workers: int) -> Iterator[Done]:
    """What becomes of each task, in order, with few tasks under way at once; one worker is this process."""
    if workers == 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[Done]] = deque()
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
