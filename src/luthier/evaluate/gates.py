"""What a model must pass to ship: state and reasons of every gate, from the record and its figures alone."""

import math
from collections.abc import Mapping
from typing import Any

from luthier.evaluate.arms import IN_WORDS
from luthier.evaluate.clean import clean_gate
from luthier.evaluate.compare import Figure
from luthier.evaluate.forget import retained_gate
from luthier.evaluate.memorise import memorised_gate
from luthier.evaluate.metrics.units import gain_words, interval_words
from luthier.evaluate.overfit import fit_gate
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS, FEWEST_ITEMS

Gate = dict[str, Any]
"""state, reasons, and advice where there is something to do."""
PASSED = {"passed", "RETAINED", "NOT ASKED", "CLEAN", "HEALTHY", "NOT SEEN"}
FAILED = {"failed", "FORGOT", "DIRTY", "OVERFIT"}


def judge(record: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Gate]:
    """State and reasons of every gate."""
    plan = record["plan"]
    superiority = _watched(record, figures) if "watch" in figures else _superiority(record, figures.get("gain"))
    return {
        "size": _size(plan, figures),
        "superiority": superiority,
        "minimum_effect": _minimum_effect(plan, figures.get("gain")),
        "retained": retained_gate(figures.get("retention"), figures["tasks"], asked=plan["retention_tasks"]),
        "overfit": fit_gate(figures.get("fit"), figures["past_best"], is_better=superiority["state"] == "passed"),
        "memorised": memorised_gate(figures.get("memorised"), blocks=plan["memorised_blocks"]),
        "clean": clean_gate(record["exam"], figures.get("flagged")),
    }


def passes(name: str, gate: Gate) -> bool:
    """Whether a gate lets a model ship. What stays UNPROVEN of overfitting stops nothing."""
    if name == "memorised":
        return not gate["blocks"] or gate["state"] in PASSED
    return gate["state"] in PASSED or (name == "overfit" and gate["state"] == "UNPROVEN")


def _size(plan: Mapping[str, Any], figures: Mapping[str, Any]) -> Gate:
    gain = figures.get("gain")
    n = gain["n"] if gain else plan["items"]
    documents = gain["documents"] if gain else plan["documents"]
    size = f"{n:,} items from {documents:,} documents"
    if gain and n >= FEWEST_ITEMS and documents >= FEWEST_DOCUMENTS:
        return {"state": "passed", "reasons": []}
    least = f"{FEWEST_ITEMS} items from {FEWEST_DOCUMENTS} documents"
    return {"state": "open", "reasons": [f"The exam is too small for a verdict: {size}; the least is {least}."]}


def _superiority(record: Mapping[str, Any], gain: Figure | None) -> Gate:
    if gain is None:
        return {"state": "open", "reasons": ["The gain could not be measured on so few documents."]}
    alpha = record["look"]["alpha"]
    if gain["p"] is None:
        return {"state": "open", "reasons": ["The gain could not be bounded on so few documents."]}
    if gain["low"] is None:
        reason = f"Only {gain['differing_documents']} documents were answered differently: too few to bound the gain."
        return {"state": "open", "reasons": [reason]}
    metric = record["plan"]["primary"]
    interval = f"{gain_words(gain['value'], metric)} ({interval_words(gain, metric)})"
    chance = f"p = {gain['p']:.2g}, allowed {alpha:.2g}"
    if gain["low"] > 0 and gain["p"] <= alpha:
        reason = f"The tuned model is better than the {IN_WORDS[record['plan']['against']]}: gain {interval}, {chance}."
        return {"state": "passed", "reasons": [reason]}
    reason = f"It is not shown that the tuned model is better: gain {interval}, {chance}."
    return {"state": "open", "reasons": [reason]}


def _watched(record: Mapping[str, Any], figures: Mapping[str, Any]) -> Gate:
    """Superiority of a sequential exam: E >= 1/alpha stands for low > 0 and p <= alpha."""
    watch, metric, against = figures["watch"], record["plan"]["primary"], record["plan"]["against"]
    documents, won, lost, log_e = watch["path"][-1]
    score = f"of {documents:,} documents {won:,} won and {lost:,} lost"
    odds = f"evidence {math.exp(min(log_e, 700)):,.3g}, needed {1 / record['look']['alpha']:,.3g}"
    if watch["stopped"]:
        gain = gain_words(figures["gain"]["value"], metric)
        return {
            "state": "passed",
            "reasons": [f"The tuned model is better than the {against}: {score} ({odds}); gain {gain}."],
        }
    return {"state": "open", "reasons": [f"It is not shown that the tuned model is better: {score} ({odds})."]}


def _minimum_effect(plan: Mapping[str, Any], gain: Figure | None) -> Gate:
    metric = plan["primary"]
    least = f"the smallest gain worth shipping, {gain_words(plan['minimum_effect'], metric)}"
    if gain is None:
        return {"state": "open", "reasons": []}
    # An interval after an early end rules nothing out.
    if gain.get("covered", True) and gain["high"] is not None and gain["high"] < plan["minimum_effect"]:
        reason = f"A useful gain is ruled out: at most {gain_words(gain['high'], metric)}, below {least}."
        return {"state": "failed", "reasons": [reason]}
    if gain["value"] >= plan["minimum_effect"]:
        return {"state": "passed", "reasons": [f"The measured gain is at least {least}."]}
    return {"state": "open", "reasons": [f"The measured gain, {gain_words(gain['value'], metric)}, is below {least}."]}
