"""Exact duplicates by matching copy: equal prompt and answer are one example, other answers are a conflict."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import xxhash

from luthier.prepare.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Merged:
    """What is left after merging, in the order given."""

    kept: list[Candidate]
    copies: list[Candidate]
    """Later rows that say the same as a kept one."""
    conflicts: frozenset[str]
    """Ids of kept rows whose subject has another answer elsewhere: nobody can grade them: they are never examined."""


def merge_exact(candidates: Sequence[Candidate]) -> Merged:
    """Keep the first of equal examples (xxh3-128 of prompt and answer)."""
    seen: set[bytes] = set()
    by_subject: dict[str, list[str]] = defaultdict(list)
    kept, copies = [], []
    for one in candidates:
        print_of = xxhash.xxh3_128_digest(f"{one.prompt}\0{one.answer}".encode())
        if print_of in seen:
            copies.append(one)
            continue
        seen.add(print_of)
        kept.append(one)
        by_subject[one.subject].append(one.id)
    conflicts = frozenset(row for rows in by_subject.values() if len(rows) > 1 for row in rows)
    return Merged(kept=kept, copies=copies, conflicts=conflicts)
