"""CLEAN or DIRTY: could training have read what the exam asks?"""

# N items, G documents

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.compare import Figure, Sample
from luthier.evaluate.metrics.units import gain_words, item_metric, oriented
from luthier.evaluate.statistics.clustered import FloatArray, Sums
from luthier.evaluate.statistics.contrast import contrast_within
from luthier.evaluate.statistics.cross_fit import widen
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS

ALPHA = 0.05
"""One-sided."""
LOOK_UP = 0.25
"""Share of free answers that copying from training may get right before the exam measures nothing else."""
MIXED = "The model was trained on another dataset than the one this exam was kept apart from."
AGAIN = "Run prepare again: it removes exam items from the training rows; then train again."
APART = "Name a column that keeps rewordings together in prepare.split.group_by, and run again from prepare on."


def flagged_contrast(record: Mapping[str, Any], sample: Sample) -> Figure | None:
    """Gain on items that training may ask in other words, minus the gain on the others; None if there are none.

    The same documents may hold both kinds, so errors are subtracted document by document. No bounds unless each kind
    stands in at least 6 documents.
    """
    flagged_N = np.array(record["items"]["flagged"], dtype=bool)[sample.chosen]
    if not flagged_N.any():
        return None
    name = item_metric(record["scores"]["base"])
    tuned_N, base_N = (np.array(oriented(record["scores"][arm][name], name)) for arm in ("tuned", "base"))
    difference_N = (tuned_N - base_N)[sample.chosen]
    kinds = [_sums(difference_N, kind_N, sample) for kind_N in (flagged_N, ~flagged_N)]
    documents = [int((kind.items > 0).sum()) for kind in kinds]
    shown = {"metric": name, "flagged": int(flagged_N.sum()), "documents": documents[0], "n": len(flagged_N)}
    if min(documents) < FEWEST_DOCUMENTS:
        return {"value": None, "low": None, "high": None, **shown}
    found = widen(contrast_within(*kinds, times=1.0, alpha=ALPHA), by=sample.widening, alpha=ALPHA)
    return {"value": found.value, "low": found.low, "high": found.high, "se": found.se, "df": found.df, **shown}


def clean_gate(exam: Mapping[str, Any], flagged: Figure | None) -> dict[str, Any]:
    """DIRTY: items or their groups are left in training, the exam is another dataset's, or flagged items gained more.

    UNPROVEN: copying the answer of the most similar training question solves over a quarter of the exam. Both rules on
    resemblance judge free answers alone: where all answers come from a closed set, such as labels, a question that
    resembles training more is easier without having been given away.
    """
    leaks = {name: count for name, count in exam["leaks"].items() if count}
    reasons = [f"Exam items left in the training rows ({name}): {count}." for name, count in sorted(leaks.items())]
    if exam["trained_on"] != exam["dataset"] or not exam["sealed_with"]:
        reasons.append(MIXED)
    if reasons:
        return {"state": "DIRTY", "reasons": reasons, "advice": AGAIN}
    copied = exam["copied"]
    if copied["free"] and _gained_more(flagged):
        return {"state": "DIRTY", "reasons": [f"{_more(flagged)}: training gave answers away."], "advice": APART}
    if copied["free"] and copied["items"] and copied["right"] / copied["items"] > LOOK_UP:
        reason = (
            f"Copying the answer of the most similar training question solves {copied['right']} of {copied['items']} "
            f"items (at most {LOOK_UP:.0%} may be): the exam may measure looking up instead of understanding."
        )
        return {"state": "UNPROVEN", "reasons": [reason], "advice": APART}
    return {"state": "CLEAN", "reasons": ["No exam item is left in the training rows.", *_remarks(flagged)]}


def _gained_more(flagged: Figure | None) -> TypeGuard[Figure]:
    return flagged is not None and flagged["low"] is not None and flagged["low"] > 0


def _more(flagged: Figure) -> str:
    return (
        f"The gain is larger on the {flagged['flagged']} questions that training may ask in other words than on "
        f"the others, by {gain_words(flagged['low'], flagged['metric'])} or more"
    )


def _remarks(flagged: Figure | None) -> list[str]:
    if flagged is None:
        return []
    if _gained_more(flagged):
        return [f"{_more(flagged)}: with answers from a closed set that shows what resembles training, not a leak."]
    few = "too few to compare" if flagged["low"] is None else "which gained no more than the others"
    return [f"{flagged['flagged']} questions may be asked in training in other words, {few}."]


def _sums(difference_N: FloatArray, kind_N: NDArray[np.bool_], sample: Sample) -> Sums:
    """Numbers and sums of one kind of item by document, documents without any included: [G, 1]."""
    items_G = np.bincount(sample.document[kind_N], minlength=sample.documents).astype(np.float64)
    sums_G = np.zeros(sample.documents)
    np.add.at(sums_G, sample.document[kind_N], difference_N[kind_N])
    return Sums(items=items_G[:, None], sums=sums_G[:, None], weights=np.ones(1))
