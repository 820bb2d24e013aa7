"""Groups: examples that must not be parted, because one would tell the answer of the other."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import xxhash

from luthier.errors import UserError
from luthier.prepare.candidate import Candidate
from luthier.prepare.dedup.matching import matching_copy

QUESTION = "question"
SLICE = re.compile(r"(?P<column>.+?)\s*\[:(?P<length>[1-9]\d*)\]")


@dataclass(frozen=True, slots=True)
class Group:
    """Connected examples. Atoms are the values (or files, or questions) that were connected; they decide the side."""

    name: str
    atoms: tuple[str, ...]
    members: tuple[str, ...]
    """Candidate ids."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """All groups by name, and how they came about."""

    groups: list[Group]
    by: str
    """In words: what made the groups."""
    without_value: int
    """Examples that lack the column and were grouped by their file instead."""


class UnionFind:
    """Disjoint sets with path halving (Tarjan and van Leeuwen 1984)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, item: str) -> str:
        """The representative of an item's set."""
        parent = self._parent
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, left: str, right: str) -> None:
        """Join two sets; the smaller name represents them, so order does not matter."""
        first, second = sorted((self.root(left), self.root(right)))
        self._parent[second] = first


def find_groups(
    candidates: Sequence[Candidate], *, group_by: str | None, links: Sequence[tuple[str, str]] = ()
) -> Grouping:
    """Connect examples by column value, file or question, and always by equal questions, shared texts, threads and
    `links` (ids of candidates that are too much alike to be parted).

    `group_by` as in `SplitConfig`. UserError if no file has the column. An example without a value belongs with equal
    questions that have one, else with its file.
    """
    values, by = _values(candidates, group_by)
    sets = UnionFind()
    spellings: dict[str, set[str]] = defaultdict(set)
    known = {one.question for one, value in zip(candidates, values, strict=True) if value}
    atom_of: dict[str, str] = {}
    without = 0
    for one, value in zip(candidates, values, strict=True):
        asked = f"question\0{one.question}"
        if not value and one.question in known:
            atom_of[one.id] = asked
            for text in one.shared:
                sets.union(asked, f"question\0{text}")
            continue
        without += not value
        value = value or one.example.origin.file
        atom = asked if group_by == QUESTION else f"value\0{matching_copy(value)}"
        spellings[atom].add(_question_name(one) if group_by == QUESTION else value.strip())
        sets.union(atom, asked)
        for text in one.shared:
            sets.union(atom, f"question\0{text}")
        thread = one.example.origin.columns.get("thread")
        if thread and one.example.origin.line is None:
            sets.union(atom, f"thread\0{thread}")
        atom_of[one.id] = atom
    for left, right in links:
        sets.union(atom_of[left], atom_of[right])
    groups = _collect_groups(candidates, sets=sets, atom_of=atom_of, spellings=spellings)
    return Grouping(groups=groups, by=by, without_value=without)


def tied_questions(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Candidate id -> its question, or of all questions that share texts with it the first."""
    sets = UnionFind()
    for one in candidates:
        for text in one.shared:
            sets.union(one.question, text)
    return {one.id: sets.root(one.question) for one in candidates}


def _collect_groups(
    candidates: Sequence[Candidate], *, sets: UnionFind, atom_of: dict[str, str], spellings: dict[str, set[str]]
) -> list[Group]:
    members: dict[str, list[str]] = defaultdict(list)
    atoms: dict[str, set[str]] = defaultdict(set)
    for one in candidates:
        members[sets.root(atom_of[one.id])].append(one.id)
    for atom in spellings:
        atoms[sets.root(atom)].add(atom)
    groups = []
    for root, rows in members.items():
        # Capitals sort first: codes keep the spelling people know them by.
        name = min(spelling for atom in atoms[root] for spelling in spellings[atom])
        groups.append(Group(name=name, atoms=tuple(sorted(atoms[root])), members=tuple(rows)))
    return sorted(groups, key=lambda group: group.name)


def _values(candidates: Sequence[Candidate], group_by: str | None) -> tuple[list[str], str]:
    if group_by is None:
        return [one.example.origin.file for one in candidates], "file"
    if group_by == QUESTION:
        return [one.question for one in candidates], "equal questions"
    sliced = SLICE.fullmatch(group_by.strip())
    column = (sliced["column"] if sliced else group_by).strip()
    length = int(sliced["length"]) if sliced else None
    found = {name for one in candidates for name in one.example.origin.columns}
    wanted = {name for name in found if name.strip().casefold() == column.casefold()}
    if not wanted:
        have = f"Columns found: {', '.join(sorted(found))}." if found else "The files have no further columns."
        raise UserError(
            f"prepare.split.group_by: no file has a column '{column}'. {have} "
            "Name one of them in collect.columns, use 'question', or leave group_by out to group by file."
        )
    values = []
    for one in candidates:
        filled = [text.strip() for name, text in sorted(one.example.origin.columns.items()) if name in wanted]
        values.append(next((text for text in filled if text), "")[:length])
    return values, f"column {group_by}"


def _question_name(one: Candidate) -> str:
    short = one.question[:40]
    return short if short == one.question else f"{short}... {xxhash.xxh3_64_hexdigest(one.question.encode())[:8]}"
