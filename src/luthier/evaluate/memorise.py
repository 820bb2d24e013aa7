"""MEMORISED: can a training document be told from others by how the model reads it, or does the model recite it?

A row is recited if the model, given the first 50 tokens of the answer, would write the next 50 exactly.
"""

# N rows

from collections.abc import Mapping
from typing import Any

import numpy as np

from luthier.evaluate.compare import Figure
from luthier.evaluate.exposure import exposed, given_away
from luthier.evaluate.overfit import numbered, saved
from luthier.evaluate.statistics.auc import auc
from luthier.evaluate.statistics.clustered import FloatArray
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS

ALPHA = 0.05
"""One-sided."""
TELLS = 0.70
"""AUC above which training documents stand out."""
RECITES = 0.01
"""Share of the long training rows, beyond what the base and other texts explain, from which a model recites."""
FEWEST_ROWS = 20
"""Long rows on a side, without which nothing is said of reciting."""
NOT_ASKED = "Memorising: not asked, such a model gives no likelihood of the texts that it learnt from."
FEW = "Add documents, or split finer (prepare.split.group_by)."
ADVICE = (
    "Somebody who has a text and this model may find out whether it was trained on the text. If the texts are private, "
    "train for fewer epochs, or keep the model where the texts may be."
)


def memorised(likelihood: Mapping[str, Any], canaries: Mapping[str, Any]) -> Figure | None:
    """AUC of the document means of (NLL_base - NLL_tuned) per byte, TRAIN against VAL and TEST, with DeLong's bounds.

    `canaries`: what was planted and is given away (`exposed`); None if nothing was. `recited`: of training rows and of
    others that are long enough, the share that each arm recites; None of few rows. None if no likelihoods were
    measured; no value with fewer than 6 documents on a side.
    """
    if "TRAIN" not in likelihood:
        return None
    members_M = _by_document(likelihood["TRAIN"])
    controls_C = np.concatenate([_by_document(likelihood[name]) for name in ("VAL", "TEST")])
    counts: Figure = {"documents": len(members_M), "controls": len(controls_C), "limit": TELLS}
    counts |= {"recited": _recited(likelihood), "canaries": exposed(canaries)}
    if min(len(members_M), len(controls_C)) < FEWEST_DOCUMENTS:
        return {"value": None, "low": None, "high": None, **counts}
    found = auc(members_M, controls_C, alpha=ALPHA)
    return {"value": found.value, "low": found.low, "high": found.high, **counts}


def memorised_gate(figure: Figure | None, *, blocks: bool) -> dict[str, Any]:
    """MEMORISED if the lower bound of the AUC is above .70, if training made the model recite more than 1 % of the
    training rows beyond what it does of others, or if it gives away two planted secrets. It stops SHIP only if the plan
    says so (`blocks`).
    """
    if figure is None:
        return {"state": "NOT ASKED", "reasons": [NOT_ASKED], "blocks": blocks}
    stops = "which the plan does not allow" if blocks else "a warning that stops nothing here"
    planted = figure["canaries"]
    if planted is not None and planted["reached"] >= planted["needed"]:
        reason = f"{given_away(planted)[:-1]}: {stops}."
        return {"state": "MEMORISED", "reasons": [reason], "advice": ADVICE, "blocks": blocks}
    if figure["value"] is None:
        reason = "Memorising could not be judged: too few documents in training or held out."
        return {"state": "UNPROVEN", "reasons": [reason], "advice": FEW, "blocks": blocks}
    ends = f"{figure['low']:.2f} to {figure['high']:.2f}"
    told = f"AUC {figure['value']:.2f}, {ends}; .50 is chance, {TELLS:.2f} the limit"
    recited = figure["recited"]
    if recited is not None and recited["excess"] > RECITES:
        share = f"{100 * recited['train']['tuned']:.1f} % of the long training rows, given their beginning"
        reason = f"The model writes {share}, word for word: {stops}."
        return {"state": "MEMORISED", "reasons": [reason], "advice": ADVICE, "blocks": blocks}
    if figure["low"] > TELLS:
        reason = f"Training documents can be told from others by how the model reads them ({told}): {stops}."
        return {"state": "MEMORISED", "reasons": [reason], "advice": ADVICE, "blocks": blocks}
    reason = f"It is not shown that training documents can be told from others by how the model reads them ({told})."
    return {"state": "NOT SEEN", "reasons": [reason], "blocks": blocks}


def _recited(likelihood: Mapping[str, Any]) -> Figure | None:
    """Shares that both arms recite of TRAIN and of the others, and by how much more TRAIN's rose (`excess`)."""
    sides = {"train": ("TRAIN",), "others": ("VAL", "TEST")}
    shares: Figure = {}
    for side, names in sides.items():
        found = {
            arm: [told for name in names for told in likelihood[name].get(f"{arm}_recites", ()) if told is not None]
            for arm in ("base", "tuned")
        }
        if len(found["base"]) < FEWEST_ROWS:
            return None
        shares[side] = {**{arm: sum(told) / len(told) for arm, told in found.items()}, "n": len(found["base"])}
    rises = [shares[side]["tuned"] - shares[side]["base"] for side in sides]
    return {**shares, "excess": rises[0] - rises[1]}


def _by_document(columns: Mapping[str, Any]) -> FloatArray:
    """Mean of each document's rows."""
    document_N = numbered(columns)
    means: FloatArray = np.bincount(document_N, saved(columns)) / np.maximum(1, np.bincount(document_N))
    return means
