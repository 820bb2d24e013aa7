"""Folders of one or two groups: hold questions of the largest group out, and say that this proves little."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luthier.artifacts.canonical import hash_order
from luthier.prepare.candidate import Part
from luthier.prepare.config import SplitConfig
from luthier.prepare.split.groups import Group


@dataclass(frozen=True, slots=True)
class Carved:
    """Groups and parts with no part empty, as far as there are questions; `notes` say what was done."""

    groups: list[Group]
    parts: dict[str, Part]
    notes: list[str]


def carve(
    groups: Sequence[Group], parts: Mapping[str, Part], *, question_of: Mapping[str, str], config: SplitConfig
) -> Carved:
    """Fill an empty exam or validation with whole questions of the largest training group, under a name of their own.

    They count as one group, so the exam has one document more and no verdict can follow from it.
    """
    groups, parts, notes = list(groups), dict(parts), []
    shares: tuple[tuple[Part, float], ...] = (("exam", config.exam), ("validation", config.validation))
    for part, share in shares:
        if part in parts.values():
            continue
        largest = max((group for group in groups if parts[group.name] == "train"), key=lambda group: len(group.members))
        taken = _take_questions(largest, part, question_of=question_of, share=share, seed=config.seed)
        if not taken:
            continue
        held = Group(name=f"{largest.name} ({part} questions)", atoms=largest.atoms, members=taken)
        left = tuple(member for member in largest.members if member not in set(taken))
        groups[groups.index(largest)] = Group(name=largest.name, atoms=largest.atoms, members=left)
        groups.append(held)
        parts[held.name] = part
        notes.append(
            f"no group was left for the {part}: {len(taken)} examples of group '{largest.name}' were held out instead, "
            "which are not independent of those trained on"
        )
    return Carved(groups=groups, parts=parts, notes=notes)


def _take_questions(
    group: Group, part: str, *, question_of: Mapping[str, str], share: float, seed: int
) -> tuple[str, ...]:
    questions = {question_of[member] for member in group.members}
    ordered = sorted(questions, key=lambda asked: hash_order(f"{part}\0{asked}", seed=seed))
    chosen = set(ordered[: min(len(ordered) // 3, max(1, round(share * len(ordered))))])
    return tuple(member for member in group.members if question_of[member] in chosen)
