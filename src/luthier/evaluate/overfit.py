"""OVERFIT, HEALTHY or UNPROVEN: does what was learnt from TRAIN hold for documents that were never trained on?

g_S is the mean over rows of a set S of (NLL_base - NLL_tuned) per answer byte, or per row where answers are labels: the
difficulty of a row cancels. D (`past_best`) tells whether training went past its best checkpoint.
"""

# N rows

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from luthier.evaluate.compare import Figure
from luthier.evaluate.past_best import ADVICE as SHIP_BEST
from luthier.evaluate.past_best import MOST, in_words, is_worse
from luthier.evaluate.statistics.clustered import FloatArray, Gain, IntArray, clustered_gain, sum_by_document
from luthier.evaluate.statistics.contrast import contrast_between
from luthier.evaluate.statistics.cross_fit import se_factor, widen
from luthier.evaluate.statistics.fieller import ratio
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS

ALPHA = 0.05
"""One-sided."""
CARRIED = 0.25
"""Least share of what TRAIN gained that must hold for new documents."""
UNITS = {"classify": "text", "fill": "hidden token"}
"""What likelihoods are counted per, where it is not a byte of the answer."""
SETS = ("TRAIN", "VAL", "TEST")
NOT_ASKED = "Overfitting: not asked, such a model gives no likelihood of an answer to compare with its base's."
ADVICE = (
    "Train for fewer epochs, or with a smaller learning rate or rank; or add different documents: more rows of the "
    "same ones do not help."
)


def saved(columns: Mapping[str, Any]) -> FloatArray:
    """Bits per byte (labels: per row) that the tuned model saves on each row: [N]."""
    base_N, tuned_N, bytes_N = (np.array(columns[name], float) for name in ("base_nats", "tuned_nats", "bytes"))
    found: FloatArray = (base_N - tuned_N) / (bytes_N * math.log(2))
    return found


def numbered(columns: Mapping[str, Any]) -> IntArray:
    """The document of each row, numbered from 0: [N]."""
    _, numbers_N = np.unique(np.array(columns["document"], dtype=object).astype(str), return_inverse=True)
    return numbers_N.astype(np.int64)


def fit(likelihood: Mapping[str, Any], *, unit: str, folds: int = 0) -> Figure | None:
    """g of TRAIN, VAL and TEST; `carried` = g_TEST / g_TRAIN (Fieller), `contrast` = g_TEST - g_TRAIN / 4.

    `folds`: of cross-fitting, whose models depend on each other. None if no likelihoods were measured. A set of fewer
    than 6 documents has no bounds.
    """
    if "TRAIN" not in likelihood:
        return None
    by = se_factor(folds)
    gains = {name: _gain(likelihood[name], widening=by) for name in SETS if likelihood[name]["document"]}
    figures: Figure = {"unit": unit}
    for name, gain in gains.items():
        columns = likelihood[name]
        size = sum(columns["bytes"]) * math.log(2)
        bits = {f"{arm}_bits": sum(columns[f"{arm}_nats"]) / size for arm in ("base", "tuned")}
        bare = {"value": float(saved(columns).mean()), "low": None, "high": None}
        bounds = bare if gain is None else asdict(gain)
        figures[name] = {**bounds, **bits, "n": len(columns["bytes"]), "documents": len(set(columns["document"]))}
    train, test = gains.get("TRAIN"), gains.get("TEST")
    if train is None or test is None:
        return {**figures, "contrast": None, "carried": None}
    carried = ratio(test, train, alpha=ALPHA)
    contrast = contrast_between(test, train, times=CARRIED, alpha=ALPHA)
    return {**figures, "contrast": asdict(contrast), "carried": None if carried is None else asdict(carried)}


def fit_gate(figure: Figure | None, best: Figure | None, *, is_better: bool) -> dict[str, Any]:
    """State and reasons. OVERFIT where the gain in the task is not significant (`is_better`) and

    (a) right answers to TEST became less likely: U(g_TEST) < 0; or (c) TRAIN gained and less than a quarter of it
    holds for TEST: L(g_TRAIN) > 0 and U(g_TEST - g_TRAIN / 4) < 0. Also (b), whatever the gain, if L(D) > 0, D > 1 %
    and validation is answered significantly worse than by the best checkpoint (`best`: `past_best`).
    HEALTHY: L(g_TEST) > 0 and not worse on validation than the best checkpoint. Else UNPROVEN.
    """
    if figure is None:
        return {"state": "NOT ASKED", "reasons": [NOT_ASKED]}
    if best is not None and is_worse(best) and best["value"] > MOST:
        return {"state": "OVERFIT", "reasons": [f"It was trained past its best. {in_words(best)}"], "advice": SHIP_BEST}
    if figure["contrast"] is None:
        reason = "Overfitting could not be judged: too few documents in training or in the exam."
        return {"state": "UNPROVEN", "reasons": [reason]}
    train, test = figure["TRAIN"], figure["TEST"]
    unit = figure["unit"]
    told = f"{_bits(test, unit)} on documents never trained on, {_bits(train, unit)} on training rows"
    if test["high"] < 0 and not is_better:
        reason = f"It recites: right answers to new questions became less likely than before training ({told})."
        return {"state": "OVERFIT", "reasons": [reason], "advice": ADVICE}
    if train["low"] > 0 and figure["contrast"]["high"] < 0 and not is_better:
        reason = f"It recites: less than a quarter of what it learnt by heart helps with new questions ({told})."
        return {"state": "OVERFIT", "reasons": [reason], "advice": ADVICE}
    if test["low"] > 0 and not is_worse(best):
        reason = f"What it learnt holds for documents it never saw: right answers became likelier ({told})."
        return {"state": "HEALTHY", "reasons": [reason]}
    reason = f"It is not shown that what it learnt holds for documents it never saw ({told}); this alone stops nothing."
    return {"state": "UNPROVEN", "reasons": [reason]}


def _gain(columns: Mapping[str, Any], *, widening: float) -> Gain | None:
    document_N = numbered(columns)
    if len(set(document_N.tolist())) < FEWEST_DOCUMENTS:
        return None
    value_N = saved(columns)
    task_N = np.zeros(len(value_N), dtype=np.int64)
    sums = sum_by_document(value_N, document_N=document_N, task_N=task_N, weights_K=np.ones(1))
    return widen(clustered_gain(sums, alpha=ALPHA), by=widening, alpha=ALPHA)


def _bits(figure: Figure, unit: str) -> str:
    """'0.412 bits per byte saved (0.371 to 0.453)'."""
    return f"{figure['value']:+.3f} bits per {unit} saved, {figure['low']:+.3f} to {figure['high']:+.3f}"
