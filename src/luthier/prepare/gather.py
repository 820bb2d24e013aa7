"""From the corpus to mended, distinct examples in groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.rows import read_examples
from luthier.errors import UserError
from luthier.objectives import Objective
from luthier.prepare.candidate import DUPLICATE, Books, Candidate, candidate, place_of
from luthier.prepare.clean.repair import repair
from luthier.prepare.clean.rules import reason_to_drop
from luthier.prepare.convert import convert
from luthier.prepare.dedup.exact import merge_exact
from luthier.prepare.split.groups import Group, find_groups
from luthier.records import Chat, Label, Listener, Tick


@dataclass(frozen=True, slots=True)
class Gathered:
    """Distinct examples and their groups."""

    examples: int
    """Examples of the corpus, before anything left."""
    kept: list[Candidate]
    conflicts: frozenset[str]
    groups: list[Group]
    grouped_by: str
    without_value: int
    edits: dict[str, int]


def gather(
    corpus: CorpusDir, *, objective: Objective, group_by: str | None, books: Books, listener: Listener
) -> Gathered:
    """Read, convert, mend, judge, merge and group; what leaves goes to the books. UserError if too little is left."""
    examples = sorted(read_examples(corpus.file("examples.parquet")), key=place_of)
    listener(Tick("prepare", 0, len(examples), "reading"))
    edits: Counter[str] = Counter(questions=0, answers=0)
    usable = _judge(convert(examples, objective=objective, books=books), edits, books)
    candidates = [candidate(example) for example in usable]
    merged = merge_exact(candidates)
    if len(merged.kept) == 1 and merged.copies:
        raise UserError(
            f"all {len(candidates)} examples say the same as {merged.kept[0].at}: there is nothing to tell apart. "
            "Add other examples, or check that collect.columns names the right columns."
        )
    grouping = find_groups(candidates, group_by=group_by)
    books.drop_candidates(merged.copies, rule=DUPLICATE)
    return Gathered(
        examples=len(examples),
        kept=merged.kept,
        conflicts=merged.conflicts,
        groups=_without(grouping.groups, {one.id for one in merged.copies}),
        grouped_by=grouping.by,
        without_value=grouping.without_value,
        edits=dict(edits),
    )


def _judge(examples: Sequence[Chat | Label], edits: Counter[str], books: Books) -> list[Chat | Label]:
    kept = []
    for example in examples:
        mended, question, answer = repair(example)
        edits["questions"] += question
        edits["answers"] += answer
        reason = reason_to_drop(mended)
        if reason is None:
            kept.append(mended)
        else:
            books.drop(example, rule=reason)
    if not kept:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(books.counts.items()))
        raise UserError(f"no usable example is left: {reasons}. Check that collect.columns names the right columns.")
    return kept


def _without(groups: Sequence[Group], copies: set[str]) -> list[Group]:
    """Groups without merged copies. The copies' values still count: what they connected stays connected."""
    left = []
    for group in groups:
        members = tuple(member for member in group.members if member not in copies)
        if members:
            left.append(Group(name=group.name, atoms=group.atoms, members=members))
    return left
