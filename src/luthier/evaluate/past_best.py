"""What ships against the best checkpoint on validation: D, the log ratio of bits per byte, by document."""

# N rows, G documents

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from luthier.evaluate.compare import Figure, bound_gain, sample_of
from luthier.evaluate.statistics.jackknife import log_ratio_of_documents
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS

ALPHA = 0.05
"""One-sided."""
MOST = math.log(1.01)
"""Rise in bits per byte of which nothing is made."""
SMALLEST = 1e-12
"""Nats of all rows together are at least this."""
AGAINST_BEST = "VAL-SHIPPED"
"""Name among the likelihoods: document, nats and right answers of both."""
ADVICE = (
    "Ship an earlier step: train for fewer epochs, or with a smaller train.patience or learning rate; and leave "
    "train.scale at 'auto'."
)


def past_best(record: Mapping[str, Any]) -> Figure | None:
    """D with one-sided 95 % bounds, and the gain in right answers (`score`) where D is above 0; None: not known.

    0 by construction, and not `measured`, where the best checkpoint ships. `scale` is that of what was learnt: below 1
    less of it ships, which is no reciting. No bounds with fewer than 6 documents.
    """
    told = record["models"]["tuned"].get("ships", {"best": None})
    if told["best"]:
        bounds = {"value": 0.0, "low": 0.0, "high": 0.0}
        return {**bounds, "measured": False, "scale": told["scale"], "score": None}
    columns = record["likelihood"].get(AGAINST_BEST)
    if told["best"] is None or columns is None:
        return None
    names, numbers_N = np.unique(np.array(columns["document"], dtype=object).astype(str), return_inverse=True)
    shipped_G, best_G = (
        np.maximum(np.bincount(numbers_N, np.array(columns[f"{side}_nats"], float)), SMALLEST)
        for side in ("shipped", "best")
    )
    about = {"measured": True, "scale": told["scale"], "n": len(numbers_N), "documents": len(names)}
    if len(names) < FEWEST_DOCUMENTS:
        value = math.log(shipped_G.sum() / best_G.sum())
        return {"value": value, "low": None, "high": None, **about, "score": None}
    found = log_ratio_of_documents(shipped_G, best_G, alpha=ALPHA)
    return {"value": found.value, "low": found.low, "high": found.high, **about, "score": _score(columns)}


def _score(columns: Mapping[str, Any]) -> Figure | None:
    """The gain of what ships in right answers; None where likelihood is all that such a model is judged by."""
    shipped, best = columns["shipped_right"], columns["best_right"]
    if None in shipped or None in best:
        return None
    sample = sample_of(columns["document"], ["VAL"] * len(best), weights={"VAL": 1.0})
    return bound_gain(shipped, best, sample=sample, alpha=ALPHA)


def is_worse(figure: Figure | None) -> bool:
    """L(D) > 0 and right answers significantly fewer, though no less of what was learnt ships."""
    if figure is None or figure["low"] is None or figure["low"] <= 0 or figure["scale"] < 1:
        return False
    return figure["score"] is None or bool(figure["score"]["high"] < 0)


def in_words(figure: Figure) -> str:
    """One sentence of D for a person."""
    if not figure["measured"]:
        return "What ships is the checkpoint that was best on validation: training did not go past it."
    change = f"{100 * math.expm1(figure['value']):+.2f} % bits"
    if figure["low"] is not None:
        change += f" ({100 * math.expm1(figure['low']):+.2f} to {100 * math.expm1(figure['high']):+.2f})"
    told = f"On validation, what ships needs {change} for right answers, against the best checkpoint of its training"
    if figure["scale"] < 1:
        return f"{told}; it ships only {figure['scale']:g} of what was learnt, which is no reciting."
    if figure["score"] is None:
        return f"{told}."
    score = figure["score"]
    ends = f"{100 * score['low']:+.1f} to {100 * score['high']:+.1f}"
    return f"{told}, and answers {100 * score['value']:+.1f} points ({ends}) of them right."
