"""Gathered examples to the three parts, worded and checked: everything that will be written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.artifacts.canonical import merkle_root
from luthier.artifacts.sealed import exam_leaves
from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.objectives import Objective
from luthier.prepare.canaries import Planted, plant
from luthier.prepare.candidate import PARTS, Books, Candidate, Part
from luthier.prepare.config import CrossFit, ExamConfig, SplitConfig
from luthier.prepare.exam.choose import Chosen, Terms, choose_items
from luthier.prepare.exam.make import Made, joined, make_items
from luthier.prepare.exam.passage import Rarity, passages_of
from luthier.prepare.gather import Gathered
from luthier.prepare.general.text import General, general_search, general_text
from luthier.prepare.label.known import Labels, known_labels
from luthier.prepare.leaks import Leak, Reworded, asked_in
from luthier.prepare.nearest import Copied
from luthier.prepare.reading import Frame, Reading
from luthier.prepare.receipts import run_receipts
from luthier.prepare.split.assign import Assignment, assign_parts, with_validation
from luthier.prepare.split.carve import Carved, carve
from luthier.prepare.split.folds import assign_fold, read_examined
from luthier.prepare.split.given import keep_given
from luthier.prepare.split.groups import tied_questions
from luthier.prepare.split.newest import moments_of
from luthier.prepare.warn import warnings_of
from luthier.prepare.word import word
from luthier.records import Claim, Item, Listener, Preference, Rating, Worded

FEWEST_ROWS = 10
"""Training on fewer rows than this shows nothing."""


@dataclass(frozen=True, slots=True)
class Divided:
    """The content of both artifacts."""

    train: list[Worded]
    validation: list[Worded]
    items: list[Item]
    """Items that are held-out rows."""
    made: Made
    """Items that are made from held-out documents."""
    examined: list[Item]
    """Held-out rows of all folds, if this is what is learnt from after cross-fitting: no others are held out."""
    prompts: dict[str, str]
    """Fingerprint of an item's prompt ids -> item id."""
    leaks: list[Leak]
    """What left before sealing."""
    reworded: list[Reworded]
    copied: Copied
    general: General
    planted: Planted
    """What was added to the training rows to be remembered."""
    labels: Labels
    splits: list[dict[str, Any]]
    receipts: dict[str, Any]
    counts: dict[str, Any]
    warnings: list[str]

    @property
    def leaves(self) -> list[bytes]:
        """What the exam's seal stands over."""
        return exam_leaves(self.all_items, sources=self.made.sources, examples=self.made.examples)

    @property
    def root(self) -> str:
        """Merkle root of the exam."""
        return merkle_root(self.leaves)

    @property
    def all_items(self) -> list[Item]:
        """Held-out rows, then made items, or those of all folds."""
        return [*self.items, *self.made.items, *self.examined]


@dataclass(frozen=True, slots=True)
class Means:
    """What dividing needs beside the examples."""

    objective: Objective
    split: SplitConfig
    exam: ExamConfig
    wording: Wording
    frame: Frame
    cross: CrossFit | None = None


def divide(gathered: Gathered, means: Means, *, books: Books, listener: Listener) -> Divided:
    """Split by groups, word, choose the exam, run the receipts and balance the books."""
    assignment, carved = _assign(gathered, means, books)
    group_of = {member: group.name for group in carved.groups for member in group.members}
    candidates = [one for one in gathered.kept if one.id in group_of]
    readings = word(candidates, group_of=group_of, wording=means.wording, frame=means.frame, listener=listener)
    before = len(books.rows)
    for reason, gone in readings.left.items():
        books.drop_candidates(gone, rule=reason)
    sides: dict[Part, list[Reading]] = {part: [] for part in PARTS}
    for one in readings.kept:
        sides[carved.parts[one.row.group]].append(one)
    known = known_labels(sides, means.objective, books=books)
    labels, sides = known.labels, known.sides
    if len(sides["train"]) < FEWEST_ROWS:
        raise UserError(
            f"only {len(sides['train'])} of {len(gathered.kept)} distinct examples are left for training, at least "
            f"{FEWEST_ROWS} are needed.{_why(books.rows[before:])} Found {len(gathered.groups)} groups (by "
            f"{gathered.grouped_by}). Add examples."
        )
    _check_one_kind(sides["train"])
    terms = Terms(
        task=means.objective.name,
        apart=means.objective.apart,
        per_group=means.split.items_per_group,
        is_whole=means.cross is None,
        conflicts=gathered.conflicts,
        free=means.objective.is_asked,
    )
    learnt = sides["train"] + sides["validation"]
    chosen = choose_items(sides["exam"], trained=learnt, terms=terms, books=books)
    train, validation, exam = map(labels.number, (sides["train"], sides["validation"], chosen.readings))
    made = _made({"SKILL": chosen.untold, "KNOWLEDGE": sides["train"]}, means, candidates, group_of)
    examined = read_examined(means.cross.examined if means.cross is not None else ())
    general = _general(means)
    planted = plant(means.exam.canaries, objective=means.objective, wording=means.wording, seed=means.split.seed)
    parts: dict[Part, int] = {"train": len(train) + len(planted.rows), "validation": len(validation), "exam": len(exam)}
    windows = len(readings.kept) + sum(map(len, readings.left.values())) - len(candidates)
    return Divided(
        train=train,
        validation=validation,
        items=chosen.items,
        made=joined([made, examined.made]),
        examined=examined.rows,
        prompts=_prompts(exam, chosen.items, apart=means.objective.apart),
        leaks=chosen.leaks,
        reworded=chosen.reworded,
        copied=chosen.copied,
        general=general,
        planted=planted,
        labels=labels,
        splits=_splits(sides["train"], sides["validation"], chosen, planted),
        receipts=_receipts(means, learnt + chosen.readings, rows=[*train, *planted.rows, *validation, *exam]),
        counts=_counts(gathered, books, parts, windows=windows, planted=len(planted.rows)),
        warnings=[
            *warnings_of(gathered, assignment=assignment, items=chosen.items or examined.rows, labels=labels.names),
            *carved.notes,
        ],
    )


def _prompts(exam: Sequence[Worded], items: Sequence[Item], *, apart: bool) -> dict[str, str]:
    return {asked_in(row, apart=apart): item.id for row, item in zip(exam, items, strict=True)}


def _made(
    about: Mapping[Claim, Sequence[Reading]],
    means: Means,
    candidates: Sequence[Candidate],
    group_of: Mapping[str, str],
) -> Made:
    """Questions about documents under each claim that is made, if the model learns to write from raw text."""
    if means.objective.record != "text" or means.objective.head != "causal" or not means.exam.make:
        return joined([])
    passages = passages_of(candidates, group_of)
    rarity = Rarity(passages)
    made = []
    for claim, readings in about.items():
        if claim == "SKILL" or means.exam.claim != "skill":
            rows = {one.candidate.id for one in readings}
            asked = [passage for passage in passages if passage.id in rows]
            made.append(make_items(asked, rarity, claim=claim, tasks=means.exam.make))
    return joined(made)


def _why(left: Sequence[Mapping[str, Any]]) -> str:
    """Why rows left while they were worded, and where the first of them stood."""
    counts = Counter(row["rule"] for row in left)
    first = {row["rule"]: row["at"] for row in reversed(left)}
    return "".join(f" {count:,} left: {rule} (first at {first[rule]})." for rule, count in counts.items())


def _check_one_kind(trained: Sequence[Reading]) -> None:
    """UserError if some answers are compared and others are rated: no loss learns from both."""
    rated = [one for one in trained if isinstance(one.candidate.example, Rating)]
    compared = [one for one in trained if isinstance(one.candidate.example, Preference)]
    if rated and compared:
        raise UserError(
            f"the corpus holds {len(compared):,} pairs of answers (first at {compared[0].row.at}) and {len(rated):,} "
            f"rated answers (first at {rated[0].row.at}), and one model learns from one kind. Leave the files of one "
            "kind out of collect.sources."
        )


def _assign(gathered: Gathered, means: Means, books: Books) -> tuple[Assignment, Carved]:
    """Part of every group: by fold, as the customer's split says, by age or by hash."""
    config = means.split
    if means.cross is not None:
        dealt = assign_fold(gathered.groups, means.cross.fold, config)
        return dealt, Carved(gathered.groups, dealt.parts, notes=[])
    if gathered.given:
        kept = keep_given(gathered.groups, gathered.given, gathered.kept)
        for reason, leaving in kept.leaving.items():
            books.drop_candidates(leaving, rule=reason)
        parts = with_validation(kept.groups, kept.parts, config)
        return Assignment(parts, too_large=[]), Carved(kept.groups, parts, notes=[])
    moments = moments_of(gathered.kept, column=config.newest) if config.newest else None
    assignment = assign_parts(gathered.groups, config, moments=moments)
    return assignment, carve(
        gathered.groups, assignment.parts, question_of=tied_questions(gathered.kept), config=config
    )


def _general(means: Means) -> General:
    if means.objective.head == "pooled":
        return general_search()
    # Only what writes has a likelihood of text: of other heads retention is not asked.
    if means.objective.head != "causal":
        return General(exam=[], validation=[], tasks=[])
    return general_text(means.wording, limit=means.frame.limit)


def _splits(
    train: Sequence[Reading], validation: Sequence[Reading], chosen: Chosen, planted: Planted
) -> list[dict[str, Any]]:
    sides = {"train": train, "validation": validation, "exam": chosen.readings}
    rows = [_lineage(one, part) for part, side in sides.items() for one in side]
    nowhere = {"file": "", "line": 0, "document": None, "start": None, "end": None}
    rows += [{"id": row.id, "group": row.group, "part": "train", "at": row.at, **nowhere} for row in planted.rows]
    return sorted(rows, key=lambda row: str(row["id"]))


def _lineage(one: Reading, part: str) -> dict[str, Any]:
    origin = one.candidate.example.origin
    span = origin.spans[0] if origin.spans else None
    place = {"at": origin.at, "file": origin.file, "line": origin.line}
    bytes_of = {"document": span and span.document, "start": span and span.start, "end": span and span.end}
    return {"id": one.row.id, "group": one.row.group, "part": part, **place, **bytes_of}


def _receipts(means: Means, readings: Sequence[Reading], *, rows: Sequence[Worded]) -> dict[str, Any]:
    return run_receipts(rows, readings, objective=means.objective, wording=means.wording, limit=means.frame.limit)


def _counts(gathered: Gathered, books: Books, parts: dict[Part, int], *, windows: int, planted: int) -> dict[str, Any]:
    return {
        **books.balance(examples=gathered.examples, windows=windows, planted=planted, parts=parts),
        "edits": gathered.refined.edits,
        "near_duplicates": len(gathered.near),
        "links": gathered.linked,
        "private": dict(sorted(Counter(one.finding.type for one in gathered.refined.spotted).items())),
        "conflicts": len(gathered.conflicts),
        "groups": len(gathered.groups),
        "without_group_value": gathered.without_value,
    }
