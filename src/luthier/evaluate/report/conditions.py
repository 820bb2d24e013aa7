"""What had to hold for SHIP, gate by gate."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.gates import FAILED, PASSED, Gate, passes
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
MARKS = {"passed": "✓", "failed": "✗", "open": "?", "warned": "!"}


STATES = {"open": "not settled", "UNPROVEN": "not proven"}
"""States whose own name says too little."""


def conditions(record: Mapping[str, Any]) -> Section:
    """One row per gate: what it asks, and its state. What was found stands in the reasons of the verdict."""
    rows = []
    # evidence.json sorts its keys, so the order of reading is kept here.
    gates = sorted(record["gates"].items(), key=lambda one: [*ASKS, one[0]].index(one[0]))
    for name, gate in gates:
        title, asks = ASKS.get(name, (name.replace("_", " ").capitalize(), ""))
        kind = kind_of(name, gate)
        is_asked = gate["state"] != "NOT ASKED"
        state = Cell(f"{MARKS[kind]} {_state(gate['state'])}", kind) if is_asked else Cell("not asked")
        rows.append((Cell(title), Cell(asks), state))
    table = Table("The conditions", ("Condition", "What it asks", "State"), tuple(rows))
    return Section("The conditions for shipping", (Figure(_meaning(record), table=table),))


def kind_of(name: str, gate: Gate) -> str:
    """passed, failed, open, or warned: not passed, and yet it stops nothing."""
    if gate["state"] in FAILED:
        return "failed"
    if gate["state"] in PASSED:
        return "passed"
    return "warned" if passes(name, gate) else "open"


def reason_kinds(record: Mapping[str, Any]) -> dict[str, str]:
    """Reason -> kind of its gate."""
    return {reason: kind_of(name, gate) for name, gate in record["gates"].items() for reason in gate["reasons"]}


def _state(state: str) -> str:
    return STATES.get(state, state.lower())


def _meaning(record: Mapping[str, Any]) -> str:
    kinds = {kind_of(*gate) for gate in record["gates"].items()}
    if "failed" in kinds:
        return "A model ships only if every condition holds: begin with the failed one, whose reason stands at the top."
    if "open" in kinds:
        return "A model ships only if every condition holds: the reasons at the top say what the others lacked."
    if "warned" in kinds:
        return "A model ships only if no condition stops it, and none does: read the reasons of those marked “!”."
    return "A model ships only if every condition holds, and every one does: there is nothing to mend."
