"""Whether questions that were made from documents can be answered from their source."""

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.evaluate.answerable import LEAST
from luthier.evaluate.report import words
from luthier.evaluate.report.further import TASKS
from luthier.evaluate.report.parts import Cell, Figure, Section, Table

HEAD = ("Kind", "Documents", "Items", "Right with its source", "Reading")


def answerable(record: Mapping[str, Any]) -> Section | None:
    """Every kind of item that was asked with its own source."""
    found = record["figures"].get("answerable", [])
    if not found:
        return None
    rows = tuple(map(_row, found))
    table = Table("Items that the base answers from their source", HEAD, rows, numbers=(1, 2, 3))
    return Section("Can its questions be answered?", (Figure(_meaning(found), table=table),))


def _meaning(found: Sequence[Mapping[str, Any]]) -> str:
    asked = "Each question was also put to the base with the text in front of it that it was made from. "
    if all(one["enough"] for one in found):
        return f"{asked}It answers at least {LEAST:.0%} of every kind, so the questions can be answered: trust them."
    return (
        f"{asked}Of the kinds marked “read some” it answers fewer than {LEAST:.0%}: they may not be answerable, or the "
        "base may be too weak to read. Such items hide a gain and never make one; look at some in exam/audit.csv."
    )


def _row(one: Mapping[str, Any]) -> tuple[Cell, ...]:
    asked = f"{TASKS.get(one['task'], one['task'])}, on documents {words.CLAIMS[one['claim']]}"
    share = f"{100 * one['value']:.1f} % ({words.between(one, 'accuracy')})"
    state = Cell("answerable", "right") if one["enough"] else Cell("read some", "wrong")
    return Cell(asked), Cell(f"{one['documents']:,}"), Cell(f"{one['n']:,}"), Cell(share), state
