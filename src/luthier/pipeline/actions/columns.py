"""What columns seem to be for: question, answer, and what belongs together. Guesses, each with its reason."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.collect.formats.check import plain_text
from luthier.collect.peek import Head

FEW_ANSWERS = 100
"""At most this many different answers still look like a set of labels."""
REPEATS = 5
"""A label is seen at least this often on average."""
FEWEST_GROUPS = 20
MOST_GROUPS = 0.8
"""Share of the rows; a column that hardly repeats groups nothing."""
ROLES = {"question", "context", "answer", "system", "messages", "text", "label"}
SEPARATOR = re.compile(r"[^0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class Grouping:
    """A column whose values, or their first characters, come back in several rows."""

    column: str
    prefix: int | None
    """Characters that count; None: the whole value."""
    groups: frozenset[str]

    def rule(self, column: str) -> str:
        """The setting `prepare.split.group_by`, with the column called `column`."""
        return column if self.prefix is None else f"{column}[:{self.prefix}]"


def cells(head: Head, column: str) -> list[str]:
    """The column's filled cells as text."""
    return [text for row in head.rows if (text := plain_text(row.values.get(column)).strip())]


def guess_roles(head: Head) -> dict[str, str] | None:
    """Question and answer columns of a table that no format fits; None if there is nothing to go by."""
    values = {column: cells(head, column) for column in head.columns}
    texts = {column: _mean_length(values[column]) for column in head.columns if _is_prose(values[column])}
    labels = {
        column: _mean_length(texts_of)
        for column, texts_of in values.items()
        if 2 <= len(set(texts_of)) <= FEW_ANSWERS and len(texts_of) >= REPEATS * len(set(texts_of))
    }
    # Initials, sites and states repeat too; the label is the one written in words.
    labels = {column: length for column, length in labels.items() if not _is_number(values[column]) and length > 3}
    answer = max(labels, key=lambda column: labels[column]) if labels else None
    candidates = {column: length for column, length in texts.items() if column != answer and column not in labels}
    if answer is None:
        longest = sorted(candidates, key=lambda column: -candidates[column])[:2]
        if len(longest) < 2:
            return None
        question, answer = sorted(longest, key=head.columns.index)
        return {"question": question, "answer": answer}
    if not candidates:
        return None
    return {"question": max(candidates, key=lambda column: candidates[column]), "answer": answer}


def find_grouping(head: Head, *, taken: Sequence[str]) -> Grouping | None:
    """The column of a table that best tells which rows belong together, apart from question and answer."""
    found = [
        grouping
        for column in head.columns
        if column not in taken and (grouping := _grouping(column, cells(head, column), rows=len(head.rows)))
    ]
    return min(found, key=lambda grouping: len(grouping.groups), default=None)


def matching_column(head: Head, chief: Grouping, *, taken: Sequence[str]) -> str | None:
    """The column of another table that means the same as `chief`: by its name, or because a fifth of it matches."""
    shares: dict[str, float] = {}
    for column in head.columns:
        if column not in taken and (values := cells(head, column)):
            groups = {value[: chief.prefix] for value in values}
            same_name = column.strip().casefold() == chief.column.strip().casefold()
            shares[column] = 1.0 if same_name else len(groups & chief.groups) / len(groups)
    best = max(shares, key=lambda column: shares[column], default=None)
    return best if best is not None and shares[best] >= 0.2 else None


def short_name(columns: Sequence[str]) -> str:
    """One plain word for columns that mean the same."""
    words = [re.sub(r"\W+", "_", column.casefold()).strip("_") for column in columns]
    free = [word for word in words if word and word not in ROLES]
    return min(free, key=lambda word: (len(word), word), default="group")


def _grouping(column: str, values: Sequence[str], *, rows: int) -> Grouping | None:
    if len(values) < 0.95 * rows or any("\n" in value or len(value) > 100 for value in values):
        return None
    whole = frozenset(values)
    if FEWEST_GROUPS <= len(whole) <= MOST_GROUPS * rows:
        return Grouping(column, None, whole)
    if _mean_length(values) > 24:
        return None
    heads = [SEPARATOR.split(value, maxsplit=1)[0] for value in values]
    length, count = Counter(map(len, heads)).most_common(1)[0]
    groups = frozenset(value[:length] for value in values)
    has_tails = any(len(value) > length for value in values)
    if length and has_tails and count >= 0.95 * rows and FEWEST_GROUPS <= len(groups) <= MOST_GROUPS * len(whole):
        return Grouping(column, length, groups)
    return None


def _mean_length(values: Sequence[str]) -> float:
    return sum(map(len, values)) / len(values) if values else 0.0


def _is_prose(values: Sequence[str]) -> bool:
    return bool(values) and sum(" " in value for value in values) >= 0.3 * len(values) and not _is_number(values)


def _is_number(values: Sequence[str]) -> bool:
    return sum(bool(re.fullmatch(r"[\d.,:\sTZ+-]+", value)) for value in values) > 0.9 * len(values)
