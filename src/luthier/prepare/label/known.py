"""The labels of a dataset: those that training shows, as places in one list."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from luthier.errors import UserError
from luthier.models.spans import label_list
from luthier.objectives import Objective
from luthier.prepare.candidate import PARTS, Books, Part
from luthier.prepare.reading import Reading
from luthier.records import Worded

UNKNOWN_LABEL = "its label has no training rows"
ONLY_ROW = "the only row of its label, which can be learnt or examined, not both"
Sides = Mapping[Part, Sequence[Reading]]


@dataclasses.dataclass(frozen=True, slots=True)
class Labels:
    """Every label at its place; `several` if a text can have any number of them."""

    names: list[str]
    several: bool = False

    def number(self, readings: Sequence[Reading]) -> list[Worded]:
        """Rows with the places of their labels; a label that is not in the list is our own mistake."""
        place = {name: number for number, name in enumerate(self.names)}
        return [self._numbered(one, [place[name] for name in one.names]) for one in readings]

    def _numbered(self, one: Reading, places: Sequence[int]) -> Worded:
        if not self.names:
            return one.row
        columns: dict[str, Any] = {"labels": tuple(places if _is_tagged(one) else sorted(places))}
        return dataclasses.replace(one.row, **columns | ({"score": 1.0} if self.several else {}))


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """The labels, and the readings of each part that have no others."""

    labels: Labels
    sides: dict[Part, list[Reading]]


def known_labels(sides: Sides, objective: Objective, *, books: Books) -> Known:
    """The labels of the training rows; a row of another label leaves, and so does the only row of a label.

    UserError if fewer labels are left than can be told apart.
    """
    readings = [one for part in PARTS for one in sides[part]]
    if objective.record not in {"label", "tags"} or not readings:
        return Known(Labels([]), {part: list(sides[part]) for part in PARTS})
    counts = Counter(name for one in readings for name in _classes(one))
    several = objective.record == "label" and any(len(one.names) != 1 for one in readings)
    least = 2 if objective.record == "label" and not several else 1
    repeated = {name for name in counts if counts[name] > 1}
    _check_repeated(readings, counts, least=least)
    kept = {part: _only(sides[part], repeated, ONLY_ROW, books) for part in PARTS}
    trained = {name for one in kept["train"] for name in _classes(one)}
    if len(trained) < least:
        raise UserError(
            f"one class only: the corpus has {len(repeated)} labels, but the training groups hold only "
            f"{sorted(trained)}. Add groups of the other labels, or set prepare.split.group_by to a finer column or "
            "'question'."
        )
    kept = {part: _only(kept[part], trained, UNKNOWN_LABEL, books) for part in PARTS}
    names = label_list(trained) if objective.record == "tags" else sorted(trained)
    return Known(Labels(names, several), kept)


def _check_repeated(readings: Sequence[Reading], counts: Counter[str], *, least: int) -> None:
    """UserError unless enough labels recur."""
    if sum(count > 1 for count in counts.values()) >= least:
        return
    alone = next((one for one in readings if any(counts[name] == 1 for name in _classes(one))), None)
    if alone is not None:
        raise UserError(
            f"{alone.row.at}: the only row of its label, as are {sum(count == 1 for count in counts.values()):,} of "
            f"{len(counts):,} labels. A label needs rows to learn from and others to be examined on: at least {least} "
            "must recur. Add rows, or use objective: chat if the answers are free text."
        )
    named = f"labelled '{next(iter(counts))}'" if counts else "without a label"
    raise UserError(
        f"{readings[0].row.at}: one class only: every example is {named}. A model needs at least {least} to tell apart."
    )


def _only(side: Sequence[Reading], names: set[str], rule: str, books: Books) -> list[Reading]:
    """Readings with no other labels than these."""
    books.drop_candidates((one.candidate for one in side if not _classes(one) <= names), rule=rule)
    return [one for one in side if _classes(one) <= names]


def _is_tagged(one: Reading) -> bool:
    """Whether it has a label for every trained token."""
    return any(one.row.trained)


def _classes(one: Reading) -> set[str]:
    """Labels of a text, or types of its entities."""
    return {name[2:] for name in one.names if name[1:2] == "-"} if _is_tagged(one) else set(one.names)
