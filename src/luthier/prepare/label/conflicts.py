"""Near-equal texts with different labels or answers: nobody can grade them, so they leave the exam."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.prepare.dedup.candidates import REMOVES, near_pairs
from luthier.prepare.dedup.matching import matching_copy
from luthier.prepare.label.noise import Labelled
from luthier.records import Listener, nobody_listens


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rows that say the same, but for 20 % of their shingles, under different labels."""

    ids: Sequence[str]
    labels: Sequence[str]
    """Of these rows, without repeats, in the order of the alphabet."""
    jaccard: float
    """Similarity of the two texts, 0.8 to 1."""
    suggestion: str | None
    """The label that most of these rows have; None where none leads."""


def find_conflicts(rows: Sequence[Labelled], *, listener: Listener = nobody_listens) -> list[Conflict]:
    """Every text with several labels, and every two near-equal texts (Jaccard >= 0.8) whose labels differ."""
    by_copy: dict[str, list[Labelled]] = defaultdict(list)
    for row in rows:
        by_copy[matching_copy(row.text)].append(row)
    copies = sorted(by_copy)
    together = [(by_copy[copy], 1.0) for copy in copies]
    for pair in near_pairs(copies, threshold=REMOVES, listener=listener):
        together.append(([*by_copy[copies[pair.a]], *by_copy[copies[pair.b]]], pair.jaccard))
    return [_conflict(members, jaccard) for members, jaccard in together if len({row.label for row in members}) > 1]


def conflicting(conflicts: Sequence[Conflict]) -> frozenset[str]:
    """Ids of all rows that must not be examined."""
    return frozenset(one for conflict in conflicts for one in conflict.ids)


def _conflict(members: Sequence[Labelled], jaccard: float) -> Conflict:
    counts = Counter(row.label for row in members).most_common()
    leads = counts[0][1] > counts[1][1]
    return Conflict(
        ids=sorted(row.id for row in members),
        labels=sorted(label for label, _ in counts),
        jaccard=jaccard,
        suggestion=counts[0][0] if leads else None,
    )
