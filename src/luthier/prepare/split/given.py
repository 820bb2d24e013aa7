"""A split that the customer brings: it is kept, and what ties training to its exam leaves training."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luthier.errors import UserError
from luthier.prepare.candidate import Candidate, Part
from luthier.prepare.leaks import find_leaks, told
from luthier.prepare.split.groups import Group

FILE = "file"
TIED = "belongs with a row that the given split holds out"
TELLING = "gives away a question of the given exam"
NAMES: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "exam", "eval", "evaluation"), "exam"),
}
"""What parts are called, in columns and in names of files."""
STAYS: dict[Part, int] = {"train": 0, "validation": 1, "exam": 2}
"""Of rows that say the same, the one of the higher part stays."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """The given split in groups: no group is in two parts, and nothing in training tells of the exam."""

    groups: list[Group]
    parts: dict[str, Part]
    leaving: Mapping[str, list[Candidate]]
    """Why -> rows of training and validation that leave."""


def given_parts(candidates: Sequence[Candidate], *, by: str) -> dict[str, Part]:
    """Candidate id -> part, as a column says (`by` is its name) or the names of files and folders (`by` is `file`).

    UserError for a row whose part cannot be told, and for a split without training or without an exam.
    """
    words = {one.id: (_words_of_file(one) if by == FILE else _words_of_column(one, by)) for one in candidates}
    parts: dict[str, Part] = {}
    unknown: Counter[str] = Counter()
    for one in candidates:
        part = next((NAMES[word] for word in words[one.id] if word in NAMES), None)
        if part is None:
            unknown[one.example.origin.file if by == FILE else " ".join(words[one.id]) or "nothing"] += 1
        else:
            parts[one.id] = part
    if unknown:
        named = ", ".join(f"'{value}' ({count:,} rows)" for value, count in unknown.most_common(SHOWN))
        raise UserError(
            f"prepare.split.given: {by}: no part can be told from {named}. Expected one of: {', '.join(NAMES)}."
        )
    missing = {"train", "exam"} - set(parts.values())
    if missing:
        raise UserError(
            f"prepare.split.given: {by}: no row is in {' or '.join(sorted(missing))}. Name another column, or leave "
            "it out: then the split is drawn by groups."
        )
    return parts


def keep_given(groups: Sequence[Group], given: Mapping[str, Part], candidates: Sequence[Candidate]) -> Kept:
    """Every group in the highest part that one of its rows is in; its rows of lower parts leave, and so does every row
    of training or validation that gives a question of the exam away (kinds as in `find_leaks`).
    """
    parts: dict[str, Part] = {}
    name_of: dict[str, str] = {}
    for group in groups:
        parts[group.name] = max((given[member] for member in group.members), key=STAYS.__getitem__)
        name_of |= {member: group.name for member in group.members}
    tied = [one for one in candidates if given[one.id] != parts[name_of[one.id]]]
    gone = {one.id for one in tied}
    said = {one.id: told(one, name=one.id, group=name_of[one.id]) for one in candidates if one.id not in gone}
    asked = [one for name, one in said.items() if given[name] == "exam"]
    leaks = {leak.at for leak in find_leaks((one for name, one in said.items() if given[name] != "exam"), asked)}
    telling = [one for one in candidates if one.id in leaks]
    gone |= leaks
    left = [
        Group(group.name, group.atoms, tuple(member for member in group.members if member not in gone))
        for group in groups
    ]
    return Kept([group for group in left if group.members], parts, {TIED: tied, TELLING: telling})


def _words_of_file(one: Candidate) -> list[str]:
    """Words in the name of the file, then of its folders from the nearest on."""
    places = reversed(re.split(r"[/!]+", one.example.origin.file))
    return [word for place in places for word in re.findall(r"[a-z]+", place.casefold())]


def _words_of_column(one: Candidate, name: str) -> list[str]:
    columns = one.example.origin.columns
    values = [value for column, value in columns.items() if column.strip().casefold() == name.strip().casefold()]
    return " ".join(values).casefold().split()
