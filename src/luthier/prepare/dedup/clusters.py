"""Star clusters of near-duplicates: each removed text is near the one that stays, so nothing is chained."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from luthier.prepare.dedup.candidates import REMOVES, NearPair, Pairs
from luthier.prepare.dedup.matching import Offsets
from luthier.prepare.dedup.signature import Mask

AT_ONCE = 1 << 16
"""Pairs that are Python numbers at once."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A text that leaves, the one that stays for it, and the Jaccard similarity of the two."""

    id: str
    representative: str
    jaccard: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """What stays, in the order given, and what leaves, by id."""

    kept: list[str]
    removed: list[Removed]


@dataclass(frozen=True, slots=True)
class Stars:
    """For each text by number, the one that stays for it (itself if it stays), and their Jaccard similarity."""

    centres: Offsets
    jaccard: npt.NDArray[np.float64]

    @property
    def leaves(self) -> Mask:
        """True for texts that leave."""
        leaves: Mask = self.centres != np.arange(len(self.centres))
        return leaves


def rank(ids: Sequence[str], *, lengths: Sequence[int], scores: Sequence[float] | None = None) -> Offsets:
    """Place of each text in the order of who stays: best score, then longest, then smallest id."""
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    for better in (lengths, scores):
        if better is not None:
            order = order[np.argsort(-np.asarray(better)[order], kind="stable")]
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[order] = np.arange(len(ids))
    return ranks


def cluster(pairs: Iterable[NearPair], *, ids: Sequence[str], ranks: Offsets, threshold: float = REMOVES) -> Clusters:
    """Remove every text with Jaccard similarity >= `threshold` with a better ranked one that stays.

    `pairs` number the texts whose `ids` and `ranks` (see `rank`) these are; `near_pairs` wants the same ranks.
    """
    stars = find_stars(Pairs.of(pairs), ranks=ranks, threshold=threshold)
    leaves = np.flatnonzero(stars.leaves).tolist()
    removed = [Removed(ids[one], ids[stars.centres[one]], float(stars.jaccard[one])) for one in leaves]
    return Clusters(
        kept=[ids[one] for one in np.flatnonzero(~stars.leaves).tolist()],
        removed=sorted(removed, key=lambda one: one.id),
    )


def find_stars(pairs: Pairs, *, ranks: Offsets, threshold: float = REMOVES) -> Stars:
    """See `cluster`; from the best text on, each that has not left takes out those that are near it."""
    # From here on a text is called by its rank, and texts with equal shingles by that of the best of them.
    first, second = (ranks[numbers] for numbers in pairs.unpacked())
    best = _best_twins(first, second, pairs.jaccard == 1.0, count=len(ranks))
    better, worse = np.minimum(best[first], best[second]), np.maximum(best[first], best[second])
    edges = np.flatnonzero((pairs.jaccard >= threshold) & (better != worse))
    edges = edges[np.argsort(better[edges], kind="stable")]
    taken_by = array("q", [-1]) * len(ranks)
    for some in np.array_split(edges, len(edges) // AT_ONCE + 1):
        for edge, one, other in zip(some.tolist(), better[some].tolist(), worse[some].tolist(), strict=True):
            if taken_by[one] < 0 and taken_by[other] < 0:
                taken_by[other] = edge
    edge_of = np.frombuffer(taken_by, dtype=np.int64)[best[ranks]]
    leaves = edge_of >= 0
    centres, jaccard = best[ranks], np.ones(len(ranks))
    centres[leaves], jaccard[leaves] = better[edge_of[leaves]], pairs.jaccard[edge_of[leaves]]
    return Stars(centres=np.argsort(ranks)[centres], jaccard=jaccard)


def _best_twins(first: Offsets, second: Offsets, equal: Mask, *, count: int) -> Offsets:
    """For every rank, the best rank of a text with equal shingles: whatever is near one is as near the others."""
    first, second, best = first[equal], second[equal], np.arange(count)
    while np.any(best[first] != best[second]):
        lower = np.minimum(best[first], best[second])
        np.minimum.at(best, first, lower)
        np.minimum.at(best, second, lower)
    return best
