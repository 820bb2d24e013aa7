"""Near-duplicate examples: question and answer are both near."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luthier.prepare.candidate import Candidate
from luthier.prepare.dedup.candidates import REMOVES, NearPair, near_pairs
from luthier.prepare.dedup.clusters import Removed, cluster, rank
from luthier.prepare.dedup.signature import are_near
from luthier.records import Listener, nobody_listens


@dataclass(frozen=True, slots=True)
class Linked:
    """Two examples that must not be parted, by id, and the Jaccard similarity of their prompts with answers."""

    first: str
    second: str
    jaccard: float


@dataclass(frozen=True, slots=True)
class NearMerged:
    """What is left after near-duplicates went, in the order given."""

    kept: list[Candidate]
    leaving: list[Candidate]
    removed: list[Removed]
    """Which kept example each of `leaving` is near to, by id."""
    links: list[Linked]
    """All near pairs, of kept and removed ones: what they connect stays in one group."""


def merge_near(
    candidates: Sequence[Candidate],
    *,
    scores: Sequence[float] | None = None,
    workers: int = 1,
    spill: Path | None = None,
    listener: Listener = nobody_listens,
) -> NearMerged:
    """Keep one of examples whose prompts with answers have Jaccard similarity >= 0.8; equal examples are merged before.

    The best score stays, then the longest, then the smallest id. The same prompt with another answer stays, and so
    does a near prompt whose answer is not near: somebody has to decide who is right.
    """
    copies = [f"{one.prompt} {one.answer}" for one in candidates]
    ids = [one.id for one in candidates]
    ranks = rank(ids, lengths=[len(copy) for copy in copies], scores=scores)
    pairs = near_pairs(copies, ranks=ranks, workers=workers, spill=spill, listener=listener)
    same = [pair for pair in pairs if pair.jaccard >= REMOVES and _say_the_same(candidates, pair)]
    clusters = cluster(same, ids=ids, ranks=ranks)
    gone = {one.id for one in clusters.removed}
    return NearMerged(
        kept=[one for one in candidates if one.id not in gone],
        leaving=[one for one in candidates if one.id in gone],
        removed=clusters.removed,
        links=[Linked(ids[pair.a], ids[pair.b], pair.jaccard) for pair in pairs],
    )


def _say_the_same(candidates: Sequence[Candidate], pair: NearPair) -> bool:
    first, second = candidates[pair.a], candidates[pair.b]
    if first.answer == second.answer:
        return True
    return first.prompt != second.prompt and are_near(first.answer, second.answer, threshold=REMOVES)
