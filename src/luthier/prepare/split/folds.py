"""Cross-fitting: groups are dealt out into folds, and each fold is examined by a model trained without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.artifacts.folders import ExamDir
from luthier.artifacts.rows import read_items
from luthier.artifacts.sealed import sources_in
from luthier.errors import UserError
from luthier.prepare.candidate import Part
from luthier.prepare.config import Fold, SplitConfig
from luthier.prepare.exam.make import Made
from luthier.prepare.split.assign import Assignment, chance_of, large_groups, take_validation
from luthier.prepare.split.groups import Group
from luthier.records import Item


def deal_folds(groups: Sequence[Group], *, folds: int, seed: int) -> dict[str, int]:
    """Group name -> fold from 1, dealt out in turn in an order drawn by hash: sizes differ by one group at most.

    UserError if there are fewer groups than folds.
    """
    if len(groups) < folds:
        raise UserError(
            f"evaluate.cross_fit deals groups out into {folds} folds, and {len(groups)} may be examined (one with over "
            "20 % of the examples may not). Add documents, or name a finer prepare.split.group_by."
        )
    ordered = sorted(groups, key=lambda group: (chance_of(group, seed, "fold"), group.name))
    return {group.name: place % folds + 1 for place, group in enumerate(ordered)}


def assign_fold(groups: Sequence[Group], fold: Fold | None, config: SplitConfig) -> Assignment:
    """The groups of one fold to its exam, the others to training and a validation of their own; no fold: no exam.

    A group with over 20 % of the examples trains in every fold, and is never examined.
    """
    large = large_groups(groups)
    small = [group for group in groups if group not in large]
    dealt = deal_folds(small, folds=fold.of, seed=config.seed) if fold is not None else {}
    exam = {name for name, number in dealt.items() if fold is not None and number == fold.number}
    rest = [group for group in small if group.name not in exam]
    parts: dict[str, Part] = {group.name: "exam" if group.name in exam else "train" for group in groups}
    parts |= {group.name: "validation" for group in take_validation(rest, config, groups=len(groups))}
    return Assignment(parts=parts, too_large=large)


@dataclass(frozen=True, slots=True)
class Examined:
    """The exams of all folds as one."""

    rows: list[Item]
    """Items that are held-out rows, in order of id."""
    made: Made


def read_examined(exams: Sequence[ExamDir]) -> Examined:
    """What all folds ask; AssertionError if two ask about one group, or ask the same."""
    fold_of: dict[str, int] = {}
    items: dict[str, Item] = {}
    sources: dict[str, str] = {}
    for fold, exam in enumerate(exams, start=1):
        for item in read_items(exam.file("items.parquet")):
            assert fold_of.setdefault(item.document, fold) == fold, f"group {item.document} is in two folds"
            assert item.id not in items, f"item {item.id} is asked twice"
            items[item.id] = item
        sources |= sources_in(exam)
    ordered = [items[name] for name in sorted(items)]
    made = [item for item in ordered if item.family]
    return Examined([item for item in ordered if not item.family], Made(made, sources, examples=[], counts={}))
