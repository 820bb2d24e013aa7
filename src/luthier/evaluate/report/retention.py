"""What the base could do before, and whether the tuned model still can."""

import math
from collections.abc import Mapping
from typing import Any

from luthier.evaluate.report import plots
from luthier.evaluate.report.parts import Figure, Section
from luthier.evaluate.report.plots import Bar, Mark

KINDS = {"RETAINED": "good", "FORGOT": "bad"}
MEANINGS = {
    "RETAINED": "The line stays left of the limit: general ability was kept. Nothing to do.",
    "FORGOT": "General text became harder for the model: train with a smaller learning rate or train.scale.",
}
UNSHOWN = (
    "The line crosses the limit: it is not shown that general ability was kept. Train with a smaller learning rate or "
    "train.scale, or accept a wider evaluate.retention_margin in the plan."
)


def retention(record: Mapping[str, Any]) -> Section | None:
    """General text: change in bits per byte against the margin."""
    figure = record["figures"].get("retention")
    if figure is None or figure["value"] is None:
        return None
    state = record["gates"]["retained"]["state"]
    value, low, high = (math.expm1(-figure[name]) for name in ("value", "high", "low"))
    limit = math.expm1(-figure["limit"])
    told = f"{100 * value:+.2f} % ({100 * low:+.2f} to {100 * high:+.2f})"
    scale = plots.scale_around([0.0, limit, low, high], unit=0.01, suffix=" %")
    marks = [Mark(0.0, "0: as the base"), Mark(limit, f"+{100 * limit:g} %: most that is allowed")]
    bar = Bar("Change", told, value, low, high, KINDS.get(state, "open"))
    plot = plots.intervals([bar], scale=scale, title="Change on general text", marks=marks)
    bits = (
        f"Bits per byte on {figure['documents']:,} general texts: base {figure['base_bits_per_byte']:.4f}, "
        f"tuned {figure['tuned_bits_per_byte']:.4f} (lower is better); each end of the line is passed once in 20 times."
    )
    return Section("What the base could do before", (Figure(MEANINGS.get(state, UNSHOWN), plot),), (bits,))
