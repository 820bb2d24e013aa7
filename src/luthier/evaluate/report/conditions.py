"""What had to hold for SHIP, gate by gate."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.gates import FAILED, PASSED
from luthier.evaluate.report.parts import Cell, Figure, Section, Table

ASKS = {
    "size": ("Size", "Are there enough items and documents for any verdict?"),
    "superiority": ("Better", "Is the tuned model better, by more than luck explains?"),
    "minimum_effect": ("Useful", "Is the gain at least the smallest that is worth shipping?"),
    "retained": ("Retained", "Did the model keep what the base could do before?"),
    "overfit": ("Learnt", "Did it learn something that holds for new documents, not only for those it read?"),
    "clean": ("Clean", "Was the exam kept out of everything the model learnt from?"),
    "memorised": ("Private", "Does it not recite its training data word for word?"),
}
"""Gate -> its name on the page and what it asks."""
MARKS = {"passed": "✓", "failed": "✗", "open": "?"}


def conditions(record: Mapping[str, Any]) -> Section:
    """One row per gate: what it asks, and its state. What was found stands in the reasons of the verdict."""
    rows = []
    # evidence.json sorts its keys, so the order of reading is kept here.
    gates = sorted(record["gates"].items(), key=lambda one: [*ASKS, one[0]].index(one[0]))
    for name, gate in gates:
        title, asks = ASKS.get(name, (name.replace("_", " ").capitalize(), ""))
        kind = kind_of(gate["state"])
        rows.append((Cell(title), Cell(asks), Cell(f"{MARKS[kind]} {_state(gate['state'])}", kind)))
    table = Table("The conditions", ("Condition", "What it asks", "State"), tuple(rows))
    return Section("The conditions for shipping", (Figure(_meaning(record), table=table),))


def kind_of(state: str) -> str:
    """passed, failed or open."""
    return "failed" if state in FAILED else "passed" if state in PASSED else "open"


def _state(state: str) -> str:
    return {"open": "not settled", "NOT ASKED": "not asked", "UNPROVEN": "not proven"}.get(state, state.lower())


def _meaning(record: Mapping[str, Any]) -> str:
    kinds = [kind_of(gate["state"]) for gate in record["gates"].values()]
    if "failed" in kinds:
        return "A model ships only if every condition holds: begin with the failed one, whose reason stands at the top."
    if "open" in kinds:
        return "A model ships only if every condition holds: the reasons at the top say what the others lacked."
    return "A model ships only if every condition holds, and every one does: there is nothing to mend."
