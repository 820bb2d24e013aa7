"""RETAINED or FORGOT: likelihood of general text, base against tuned, document by document."""

# G documents

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from luthier.evaluate.compare import Figure
from luthier.evaluate.metrics.text import bits_per_byte
from luthier.evaluate.statistics.jackknife import mean_of_documents

ALPHA = 0.05
"""One-sided; with one suite also the error rate of FORGOT."""
FEWEST_DOCUMENTS = 6


def retention(likelihood: Mapping[str, Any], *, margin: float) -> Figure:
    """Mean over documents of r_g = -ln(nats_tuned / nats_base) with t(G-1) bounds, and bits per byte of both arms.

    `likelihood` has columns document, bytes, base_nats, tuned_nats; `margin` is the accepted rise in bits per byte as a
    share, so the limit is -ln(1 + margin). Fewer than 6 documents: no bounds.
    """
    base_G, tuned_G, bytes_G = (np.array(likelihood[name], float) for name in ("base_nats", "tuned_nats", "bytes"))
    documents = len(base_G)
    bits = {
        "base_bits_per_byte": _bits(base_G.sum(), bytes_G.sum()),
        "tuned_bits_per_byte": _bits(tuned_G.sum(), bytes_G.sum()),
        "documents": documents,
        "limit": -math.log1p(margin),
    }
    if documents < FEWEST_DOCUMENTS:
        return {"value": None, "low": None, "high": None, "se": None, "df": None, **bits}
    mean = mean_of_documents(-np.log(tuned_G / base_G), alpha=ALPHA)
    return {"value": mean.value, "low": mean.low, "high": mean.high, "se": mean.se, "df": mean.df, **bits}


def retention_state(figure: Figure) -> str:
    """RETAINED: low > limit. FORGOT: value < limit and high < 0. Else INCONCLUSIVE."""
    if figure["value"] is None:
        return "INCONCLUSIVE"
    if figure["low"] > figure["limit"]:
        return "RETAINED"
    return "FORGOT" if figure["value"] < figure["limit"] and figure["high"] < 0 else "INCONCLUSIVE"


def _bits(nats: float, size: float) -> float | None:
    return bits_per_byte(float(nats), int(size)) if size > 0 else None
