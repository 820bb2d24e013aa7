"""Star clusters of near-duplicates: each removed text is near the one that stays, so nothing is chained."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.prepare.dedup.candidates import REMOVES, NearPair
from luthier.prepare.dedup.shingles import Offsets


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
    near: dict[int, dict[int, float]] = defaultdict(dict)
    equal: dict[int, set[int]] = {}
    for pair in pairs:
        if pair.jaccard == 1.0:
            _unite(equal, pair.a, pair.b)
        if pair.jaccard >= threshold:
            near[pair.a][pair.b] = near[pair.b][pair.a] = pair.jaccard
    stays_for: dict[int, tuple[int, float]] = {}
    kept: set[int] = set()
    for text in sorted(near, key=lambda text: int(ranks[text])):
        if text in stays_for:
            continue
        kept.add(text)
        for other, jaccard in _neighbours(text, near, equal).items():
            if other not in kept:
                stays_for.setdefault(other, (text, jaccard))
    removed = [Removed(ids[text], ids[other], jaccard) for text, (other, jaccard) in stays_for.items()]
    return Clusters(
        kept=[one for text, one in enumerate(ids) if text not in stays_for],
        removed=sorted(removed, key=lambda one: one.id),
    )


def _unite(equal: dict[int, set[int]], left: int, right: int) -> None:
    """Similarity 1 means equal shingles: whatever is near one is as near the others."""
    smaller, larger = sorted((equal.get(left, {left}), equal.get(right, {right})), key=len)
    larger |= smaller
    for text in smaller | {left, right}:
        equal[text] = larger


def _neighbours(text: int, near: dict[int, dict[int, float]], equal: dict[int, set[int]]) -> dict[int, float]:
    found: dict[int, float] = {}
    for twin in equal.get(text, {text}):
        for other, jaccard in near[twin].items():
            found |= {each: jaccard for each in equal.get(other, {other})}
    found.pop(text, None)
    return found
