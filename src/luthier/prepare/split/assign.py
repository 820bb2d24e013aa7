"""Which group goes to training, validation and the exam: by hash, so that added files move nothing they need not.

A group goes to the exam only if every value in it does: when a new file joins two groups, training wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xxhash

from luthier.prepare.candidate import Part
from luthier.prepare.config import SplitConfig
from luthier.prepare.split.groups import Group
from luthier.prepare.split.newest import places_by_age

EXAM_GROUPS = 20
EXAM_ITEMS = 40
VALIDATION_GROUPS = 8
LARGEST_SHARE = 0.2
"""A group with more than this share of all examples trains whole."""
EXAM_CEILING = 0.5
VALIDATION_CEILING = 0.3
"""Chances up to which a small folder is drawn on."""
MOST_EXAMINED = 0.4
"""Largest share of the groups that goes to the exam."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Group name -> part, and the groups that were too large to be examined."""

    parts: dict[str, Part]
    too_large: list[Group]


def assign_parts(
    groups: Sequence[Group], config: SplitConfig, *, moments: Mapping[str, float] | None = None
) -> Assignment:
    """Send every group to one part; with `moments` (see `moments_of`) the exam takes the newest ones.

    The exam takes the groups whose chance is below its share, then the next ones (chance below 0.5) until it has 20
    groups and 40 questions; none once it has `most_items`. From 50 groups on, further ones therefore pull none of
    these into the exam: they can only release one.
    """
    large = large_groups(groups)
    small = [group for group in groups if group not in large]
    drawn = {group.name: chance_of(group, config.seed, "exam") for group in groups}
    chance = drawn if moments is None else places_by_age(groups, moments)
    pool = sorted(small or groups, key=lambda group: (chance[group.name], group.name))
    if len(pool) == len(groups):
        pool.pop()  # somebody has to be learnt from: the last in line always trains
    exam = _take_exam(pool, chance, config)[: max(1, int(MOST_EXAMINED * len(groups)))]
    rest = pool[len(exam) :]
    validation = take_validation(rest, config, groups=len(groups))
    parts: dict[str, Part] = {group.name: "train" for group in groups}
    parts.update({group.name: "exam" for group in exam})
    parts.update({group.name: "validation" for group in validation})
    return Assignment(parts=parts, too_large=[group for group in large if parts[group.name] == "train"])


def large_groups(groups: Sequence[Group]) -> list[Group]:
    """Groups with over 20 % of all examples: they train whole."""
    total = sum(len(group.members) for group in groups)
    return [group for group in groups if len(group.members) > LARGEST_SHARE * total]


def with_validation(groups: Sequence[Group], parts: Mapping[str, Part], config: SplitConfig) -> dict[str, Part]:
    """Parts of a given split, where a validation that is empty takes some of the training groups."""
    if "validation" in parts.values():
        return dict(parts)
    trained = [group for group in groups if parts[group.name] == "train"]
    taken = take_validation(trained, config, groups=len(trained))
    return {**parts, **{group.name: "validation" for group in taken}}


def _take_exam(pool: Sequence[Group], chance: dict[str, float], config: SplitConfig) -> list[Group]:
    items = 0

    def enough(taken: int) -> bool:
        return taken >= EXAM_GROUPS and items >= EXAM_ITEMS

    exam: list[Group] = []
    for group in pool:
        below = chance[group.name] < config.exam
        if items >= config.most_items:
            break
        if not (below or not exam or (chance[group.name] < EXAM_CEILING and not enough(len(exam)))):
            break
        exam.append(group)
        items += min(len(group.members), config.items_per_group)
    return exam


def take_validation(rest: Sequence[Group], config: SplitConfig, *, groups: int) -> list[Group]:
    """Draw the validation, at least 1 and at most .3 times `groups`, out of the groups that are not examined."""
    chance = {group.name: chance_of(group, config.seed, "validation") for group in rest}
    share = config.validation / (1 - config.exam)
    rows = 0
    validation: list[Group] = []
    for group in sorted(rest, key=lambda group: chance[group.name]):
        if rows >= config.most_items:
            break
        needed = chance[group.name] < VALIDATION_CEILING and len(validation) < VALIDATION_GROUPS
        if not (chance[group.name] < share or not validation or needed):
            break
        validation.append(group)
        rows += len(group.members)
    return validation[: max(1, int(VALIDATION_CEILING * groups))]


def chance_of(group: Group, seed: int, purpose: str) -> float:
    """A number from 0 to 1 that hangs on what the group is made of, the seed and what is drawn."""
    draws = (xxhash.xxh3_64_intdigest(f"{purpose}\0{atom}".encode(), seed=seed) for atom in group.atoms)
    return max(draws) / 2**64
