"""From the corpus to clean, masked, distinct examples in groups."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luthier.artifacts.folders import CorpusDir
from luthier.errors import UserError
from luthier.objectives import Objective
from luthier.prepare.candidate import DUPLICATE, NEAR_DUPLICATE, Books, Candidate, Part, candidate, place_of, text_of
from luthier.prepare.convert import nothing_usable
from luthier.prepare.dedup.candidates import REMOVES, near_pairs
from luthier.prepare.dedup.clusters import Removed, cluster, rank
from luthier.prepare.dedup.exact import merge_exact
from luthier.prepare.dedup.signature import are_near
from luthier.prepare.material import Rooted
from luthier.prepare.pieces import Workplace, treat_corpus
from luthier.prepare.private.forget import ForgetList
from luthier.prepare.private.mask import Rules
from luthier.prepare.refine import Refined, refine
from luthier.prepare.split.given import STAYS, given_parts
from luthier.prepare.split.groups import Group, find_groups
from luthier.prepare.split.held_out import held_out_files, set_apart, without_given_away
from luthier.prepare.treat import Recipe, Treated
from luthier.records import Listener, Text, Tick

FORGOTTEN = "forgotten"
PROSE_WORDS = 20
"""Answers of at least this many words may differ in some and still be near-duplicates."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What gathering is to make of a corpus."""

    recipe: Recipe
    rules: Rules
    """The recipe's rules for private data."""
    group_by: str | None
    held_out: tuple[str, ...] = ()
    """Names of files that must never be learnt from."""
    given: str | None = None
    """Where the parts of a split stand that the customer brings."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Distinct examples and their groups, and how they came about."""

    examples: int
    """Examples of the corpus, before anything left: rows, and chunks of documents or whole ones."""
    kept: list[Candidate]
    conflicts: frozenset[str]
    groups: list[Group]
    grouped_by: str
    without_value: int
    refined: Refined
    near: list[Removed]
    linked: int
    """Pairs that are alike enough to stay together."""
    given: Mapping[str, Part]
    """Candidate id -> part, of a split that the customer brings; else empty."""


def gather(corpus: CorpusDir, wanted: Wanted, *, place: Workplace, books: Books, listener: Listener) -> Gathered:
    """Read, convert, clean, mask, cut, merge and group; what leaves goes to the books.

    UserError if too little is left.
    """
    listener(Tick("prepare", 0, 0, "reading"))
    recipe = wanted.recipe
    files = held_out_files(corpus, wanted.held_out)
    everything = sorted(treat_corpus(corpus, recipe, place=place, listener=listener), key=_place)
    treated, apart = set_apart(everything, files, books=books)
    _check_usable(treated, recipe.objective)
    refined = refine(treated, thresholds=recipe.thresholds, books=books)
    chunks = [text for rooted in refined.material.documents for text in rooted.texts()]
    # A document that leaves is one example; one that stays is as many as it has chunks.
    examples = len(everything) - len(refined.material.documents) + len(chunks)
    found = [candidate(example) for example in sorted([*refined.material.rows, *chunks], key=place_of)]
    found = _without_forgotten(found, wanted.rules.forgotten, books)
    candidates = without_given_away(found, apart, books)
    if not candidates:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(books.counts.items()))
        raise UserError(f"no usable example is left: {reasons}. Check that collect.columns names the right columns.")
    given = given_parts(candidates, by=wanted.given) if wanted.given else {}
    # What is in two parts stays in the one that is held out.
    candidates.sort(key=lambda one: -STAYS[given.get(one.id, "train")])
    kept, conflicts, near = _distinct(candidates, given, books=books, listener=listener)
    links = near_pairs([one.question for one in candidates], listener=listener)
    linked = [(candidates[pair.a].id, candidates[pair.b].id) for pair in links]
    grouping = find_groups(candidates, group_by=wanted.group_by, links=linked)
    left = {one.id for one in kept}
    return Gathered(
        examples=examples,
        kept=kept,
        conflicts=conflicts,
        groups=_only(grouping.groups, left),
        grouped_by=grouping.by,
        without_value=grouping.without_value,
        refined=refined,
        near=near,
        linked=len(linked),
        given=given,
    )


def _place(one: Treated) -> tuple[bool, tuple[str, int, str]]:
    """Rows first, in order of place, then documents."""
    if isinstance(one.item, Rooted):
        return True, (one.item.document.file, 0, one.item.document.id)
    return False, place_of(one.item)


def _check_usable(treated: Sequence[Treated], objective: Objective) -> None:
    if any(one.judged is not None for one in treated):
        return
    rows = [one.item for one in treated if not isinstance(one.item, Rooted)]
    first = rows[0].origin.at if rows else ""
    raise nothing_usable(Counter(one.leaves for one in treated), objective=objective, first=first)


def _without_forgotten(candidates: Sequence[Candidate], forgotten: ForgetList, books: Books) -> list[Candidate]:
    """Rows of nobody who asked to be forgotten; of the others the books keep the place, not the words."""
    kept = []
    for one in candidates:
        origin = one.example.origin
        if forgotten.holds(one.id, [text_of(one.example), *origin.columns.values()]):
            books.drop(Text("", dataclasses.replace(origin, columns={})), rule=FORGOTTEN, row_id=one.id)
        else:
            kept.append(one)
    return kept


def _distinct(
    candidates: Sequence[Candidate], given: Mapping[str, Part], *, books: Books, listener: Listener
) -> tuple[list[Candidate], frozenset[str], list[Removed]]:
    """One of every set of equal examples, then one of every star of near-duplicates."""
    merged = merge_exact(candidates)
    if len(merged.kept) == 1 and merged.copies:
        raise UserError(
            f"all {len(candidates)} examples say the same as {merged.kept[0].at}: there is nothing to tell apart. "
            "Add other examples, or check that collect.columns names the right columns."
        )
    books.drop_candidates(merged.copies, rule=DUPLICATE)
    ids = [one.id for one in merged.kept]
    lengths = [len(one.prompt) + len(one.answer) for one in merged.kept]
    ranks = rank(ids, lengths=lengths, scores=[STAYS[given.get(one, "train")] for one in ids])
    alike = near_pairs([one.prompt for one in merged.kept], threshold=REMOVES, listener=listener)
    pairs = [pair for pair in alike if _say_alike(merged.kept[pair.a], merged.kept[pair.b])]
    near = cluster(pairs, ids=ids, ranks=ranks).removed
    removed = {one.id: one for one in near}
    for one in merged.kept:
        if one.id in removed:
            gone = removed[one.id]
            books.drop(one.example, rule=NEAR_DUPLICATE, row_id=one.id, score=gone.jaccard, instead=gone.representative)
    return [one for one in merged.kept if one.id not in removed], merged.conflicts, near


def _say_alike(one: Candidate, other: Candidate) -> bool:
    """Prompt, answer and parts are compared apart, because a longer text would drown what a shorter one says."""
    said, told = (one.answer, *one.parts), (other.answer, *other.parts)
    return len(said) == len(told) and all(map(_answer_alike, said, told))


def _answer_alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if min(len(one.split()), len(other.split())) < PROSE_WORDS:
        return False  # in a short answer every word decides
    return are_near(one, other, threshold=REMOVES)


def _only(groups: Sequence[Group], left: set[str]) -> list[Group]:
    """Groups without rows that left. Their values still count: what they connected stays connected."""
    found = []
    for group in groups:
        members = tuple(member for member in group.members if member in left)
        if members:
            found.append(dataclasses.replace(group, members=members))
    return found
