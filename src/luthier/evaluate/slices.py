"""Where the gain is and where it is not: the items of each slice, exploratory, and never part of the verdict."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.compare import Figure, Sample, bound_gain, explored, narrow, plain_mean, two_sided
from luthier.evaluate.metrics.units import item_metric, oriented
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS


def slice_gains(record: Mapping[str, Any], sample: Sample) -> list[Figure]:
    """Both arms and the gain of every slice of the items; bounds and p only from 6 documents on.

    `p` is two-sided, because a loss is news too; `adjusted` is Benjamini and Hochberg's over the slices that have one.
    """
    column = record["items"]["slice"]
    names = sorted({value for value in column if value is not None})
    return explored(
        [{"slice": name, **_gain(record, narrow(sample, [value == name for value in column]))} for name in names]
    )


def _gain(record: Mapping[str, Any], part: Sample) -> Figure:
    scores, alpha = record["scores"], record["look"]["alpha"]
    metric = item_metric(scores["base"])
    means = {arm: plain_mean(scores[arm][metric], part) for arm in ("base", "tuned")}
    row = {**means, "n": len(part.chosen), "documents": part.documents}
    if part.documents < FEWEST_DOCUMENTS:
        return {**row, "low": None, "high": None, "p": None}
    arms = oriented(scores["tuned"][metric], metric), oriented(scores["base"][metric], metric)
    gain = bound_gain(*arms, sample=part, alpha=alpha)
    return {**row, "low": gain["low"], "high": gain["high"], "p": two_sided(gain, alpha)}
