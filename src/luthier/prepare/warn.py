"""What a person should read before training starts."""

from collections import defaultdict
from collections.abc import Sequence

from luthier.prepare.gather import Gathered
from luthier.prepare.split.assign import LARGEST_SHARE, Assignment
from luthier.records import Item

LEAST_GROUPS = 6
LEAST_ITEMS = 30
"""Below these no verdict is given (evidence.md section 3)."""


def warnings_of(
    gathered: Gathered, *, assignment: Assignment, items: Sequence[Item], labels: Sequence[str]
) -> list[str]:
    """Everything about the split that weakens what can be shown, each with its remedy."""
    found = [*_inconclusive(gathered, items)]
    for group in assignment.too_large if len(gathered.groups) > 2 else ():
        found.append(
            f"group '{group.name}' holds {len(group.members):,} of {len(gathered.kept):,} examples, more than "
            f"{LARGEST_SHARE:.0%}: it trains whole and is never examined"
        )
    if gathered.without_value:
        found.append(
            f"{gathered.without_value:,} examples have no value for {gathered.grouped_by}: "
            "they were grouped by their file"
        )
    for spellings in _look_alikes(labels):
        found.append(
            f"labels that differ only in capitals or spaces count as different classes: {', '.join(spellings)}"
        )
    return found


def _inconclusive(gathered: Gathered, items: Sequence[Item]) -> list[str]:
    documents = len({item.document for item in items})
    if documents >= LEAST_GROUPS and len(items) >= LEAST_ITEMS:
        return []
    asked = f"{_count(len(items), 'question')} from {_count(documents, 'group')}"
    groups = f"{_count(len(gathered.groups), 'group')} (by {gathered.grouped_by})"
    return [
        f"INCONCLUSIVE by construction: the exam has {asked}, and a verdict needs at least {LEAST_ITEMS} from "
        f"{LEAST_GROUPS}. Found {len(gathered.kept):,} distinct examples in {groups}. {_remedy(gathered)}"
    ]


def _remedy(gathered: Gathered) -> str:
    columns = sorted({name for one in gathered.kept for name in one.example.origin.columns})
    if gathered.grouped_by == "file":
        named = f" (columns found: {', '.join(columns)})" if columns else ""
        return (
            "Say with prepare.split.group_by which rows belong together: a column"
            f"{named}, or 'question' if only equal questions do. Or add files."
        )
    return "Add examples from more groups, or choose a finer prepare.split.group_by."


def _look_alikes(labels: Sequence[str]) -> list[list[str]]:
    alike: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        alike[" ".join(label.casefold().split())].append(label)
    return [spellings for spellings in alike.values() if len(spellings) > 1]


def _count(number: int, name: str) -> str:
    return f"1 {name}" if number == 1 else f"{number:,} {name}s"
