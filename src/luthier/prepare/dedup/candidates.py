"""Near-duplicate pairs: candidates share a band, and the exact Jaccard similarity of every candidate is counted."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luthier.prepare.dedup.matching import Offsets
from luthier.prepare.dedup.shingles import Hashes
from luthier.prepare.dedup.signature import Mask, Signed, batches, jaccard_of, sign
from luthier.prepare.dedup.store import StoredSignatures, write_signed
from luthier.records import Listener, Tick, nobody_listens

LINKS, REMOVES = 0.7, 0.8
"""Jaccard similarity from which two texts stay together, and from which one of them leaves."""
CROWD = 1_000
"""Texts of one bucket above which they are compared with representatives only."""
REPRESENTATIVES = 50
HELD = 1 << 22
"""Candidates held before repeated ones are merged."""
JUDGED, MOST_SHINGLES = 1 << 13, 1 << 23
"""Candidates that are judged at once, and shingles of them that are in memory, but for those of the last two texts."""


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two texts by number, the smaller first, and the Jaccard similarity of their shingles."""

    a: int
    b: int
    jaccard: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs as columns: both numbers packed into one, and the Jaccard similarities."""

    packed: Hashes
    jaccard: npt.NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Iterable[NearPair]) -> "Pairs":
        """Pairs as rows made columns."""
        rows = np.array([(pair.a, pair.b, pair.jaccard) for pair in pairs]).reshape(-1, 3)
        return cls(_packed(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)), rows[:, 2])

    def unpacked(self) -> tuple[Offsets, Offsets]:
        """The smaller number of each pair, and the greater."""
        return _unpacked(self.packed)

    def only(self, stays: Mask) -> "Pairs":
        """Some of them."""
        return Pairs(self.packed[stays], self.jaccard[stays])


def near_pairs(
    copies: Sequence[str],
    *,
    threshold: float = LINKS,
    ranks: Offsets | None = None,
    listener: Listener = nobody_listens,
) -> list[NearPair]:
    """All pairs of matching copies with Jaccard similarity >= `threshold`, in order.

    Equal copies are paired with the best ranked of them, which alone is compared with others. Short texts (under 20
    words) whose numbers, codes or one-letter words differ (see `Codes.clash`) are no pair. In buckets of over 1,000
    texts only pairs with at most 50 representatives are found, the best by `ranks` (see `clusters.rank`; None: those
    with most shingles). The order of the texts changes nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_signed(Path(folder), _signed(copies, listener))
        found = pairs_in(StoredSignatures([Path(folder)]), threshold=threshold, ranks=ranks)
    first, second = found.unpacked()
    return [NearPair(*pair) for pair in zip(first.tolist(), second.tolist(), found.jaccard.tolist(), strict=True)]


def pairs_in(signatures: StoredSignatures, *, threshold: float = LINKS, ranks: Offsets | None = None) -> Pairs:
    """All pairs of signed texts, in order; see `near_pairs`."""
    if ranks is None:
        ranks = np.lexsort((signatures.prints, -signatures.sizes)).argsort()
    equal, distinct = _equal_pairs(signatures.prints, ranks=ranks)
    found = [Pairs(equal, np.ones(len(equal)))]
    held = [np.zeros(0, np.uint64)]
    for keys in signatures.bands():
        order = distinct[np.argsort(keys[distinct])]
        starts, sizes = _buckets(keys[order])
        few = (sizes > 1) & (sizes <= CROWD)
        held.append(_bucket_pairs(order, starts[few], sizes[few]))
        for start, size in zip(starts[sizes > CROWD].tolist(), sizes[sizes > CROWD].tolist(), strict=True):
            crowd = order[start : start + size]
            found += _star(crowd[np.argsort(ranks[crowd])], signatures, threshold=threshold)
        if sum(map(len, held)) > HELD:
            held = [np.unique(np.concatenate(held))]
    found += _judged(np.unique(np.concatenate(held)), signatures, threshold=threshold)
    packed, places = np.unique(np.concatenate([one.packed for one in found]), return_index=True)
    return Pairs(packed, np.concatenate([one.jaccard for one in found])[places])


def _judged(candidates: Hashes, signatures: StoredSignatures, *, threshold: float) -> Iterator[Pairs]:
    """Those of the candidates that are near."""
    for start in range(0, len(candidates), JUDGED):
        packed = candidates[start : start + JUDGED]
        first, second = _unpacked(packed)
        sizes = np.sort([signatures.sizes[first], signatures.sizes[second]], axis=0)
        clash = signatures.codes.of(first).clash(signatures.codes.of(second))
        can_be = (sizes[0] >= threshold * sizes[1]) & ~clash
        held = np.cumsum(sizes.sum(axis=0)[can_be]) // MOST_SHINGLES
        for some in np.split(packed[can_be], np.flatnonzero(np.diff(held)) + 1):
            pairs = Pairs(some, _similarities(*_unpacked(some), signatures))
            yield pairs.only(pairs.jaccard >= threshold)


def _similarities(first: Offsets, second: Offsets, signatures: StoredSignatures) -> npt.NDArray[np.float64]:
    texts, places = np.unique(np.concatenate((first, second)), return_inverse=True)
    sets = list(signatures.shingles(texts))
    pairs = zip(places[: len(first)].tolist(), places[len(first) :].tolist(), strict=True)
    return np.array([jaccard_of(sets[a], sets[b]) for a, b in pairs], dtype=np.float64)


def _star(crowd: Offsets, signatures: StoredSignatures, *, threshold: float) -> Iterator[Pairs]:
    """Near pairs of a crowded bucket: the best left over is compared with all others, 50 times at most."""
    for _ in range(REPRESENTATIVES):
        if len(crowd) < 2:
            return
        representative, crowd = crowd[0], crowd[1:]
        packed = _packed(np.minimum(crowd, representative), np.maximum(crowd, representative))
        removed = [np.zeros(0, np.uint64)]
        for near in _judged(packed, signatures, threshold=threshold):
            removed.append(near.packed[near.jaccard >= REMOVES])
            yield near
        crowd = crowd[~np.isin(packed, np.concatenate(removed))]


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


def _unpacked(packed: Hashes) -> tuple[Offsets, Offsets]:
    return (packed >> np.uint64(32)).astype(np.int64), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _signed(copies: Sequence[str], listener: Listener) -> Iterator[Signed]:
    for batch in batches(np.array([len(copy) for copy in copies], dtype=np.int64)):
        yield sign(copies[batch])
        listener(Tick("prepare", batch.stop, len(copies), "near-duplicates"))
