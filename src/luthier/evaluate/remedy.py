"""What the exam could have seen, and what to do when it saw too little."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.compare import honest_se
from luthier.evaluate.foresight import cross_fit_advice
from luthier.evaluate.gates import Gate, passes
from luthier.evaluate.statistics.power import documents_needed, mde

MOST_DOCUMENTS = 100_000
"""Above this many documents an exam is no remedy."""


def missing_power(record: Mapping[str, Any], figures: Mapping[str, Any], gates: Mapping[str, Gate]) -> dict[str, Any]:
    """`mde` (None if nothing was measured), `documents_needed` and `remedy` in plain words."""
    gain, minimum = figures.get("gain"), record["plan"]["minimum_effect"]
    if gain is None or gain["low"] is None or gain["df"] <= 0:
        return {"mde": None, "documents_needed": None, "remedy": _remedy(record, None, gates)}
    alpha = record["look"]["alpha"]
    se = honest_se(gain, alpha)
    seen = mde(se, gain["df"], alpha=alpha, minimum_effect=minimum)
    needed = documents_needed(
        gain["value"], se, documents=gain["documents"], df=gain["df"], alpha=alpha, minimum_effect=minimum
    )
    return {"mde": seen, "documents_needed": needed, "remedy": _remedy(record, needed, gates)}


def _cross_fit(record: Mapping[str, Any]) -> str:
    """The other way to examine more documents, where there are few."""
    advice = cross_fit_advice(record["plan"], record["exam"].get("groups"))
    return f" Or, with the documents that there are: {advice}." if advice else ""


def _remedy(record: Mapping[str, Any], needed: int | None, gates: Mapping[str, Gate]) -> str:
    for name in ("clean", "overfit", "memorised"):
        if not passes(name, gates[name]):
            return str(gates[name]["advice"])
    states = {name: gate["state"] for name, gate in gates.items()}
    cross_fit = _cross_fit(record)
    if states["size"] == "open":
        return (
            f"Add documents, or split finer (prepare.split.group_by), so that the exam holds more of them.{cross_fit}"
        )
    if states["minimum_effect"] == "failed":
        return "More exam items will not change this. Look at the lost items, add training examples, or raise epochs."
    if states["retained"] == "FORGOT":
        return str(gates["retained"]["advice"])
    if states["superiority"] == "open" or states["minimum_effect"] == "open":
        if needed is None or needed > MOST_DOCUMENTS:
            return "The two answer too much alike for any exam to tell them apart: train longer or add examples."
        have = record["plan"]["documents"]
        if needed <= have:
            return "It was a near miss: a fresh exam of this size, or a slightly better model, would settle it."
        return (
            f"An exam of about {needed:,} documents (this one has {have:,}) would settle it, if nothing else changes."
            f"{cross_fit}"
        )
    if states["retained"] == "INCONCLUSIVE":
        return str(gates["retained"]["advice"])
    return "Ship it; there is nothing to mend."
