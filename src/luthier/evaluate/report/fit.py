"""Whether what was learnt holds for documents that were never trained on."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.exposure import given_away
from luthier.evaluate.past_best import in_words
from luthier.evaluate.report import plots
from luthier.evaluate.report.parts import Figure, Section
from luthier.evaluate.report.plots import Bar, Mark

SETS = {"TRAIN": ("Training rows", "base"), "VAL": ("Validation", "base"), "TEST": ("New documents", "tuned")}
MEANINGS = {
    "HEALTHY": "Right answers became likelier on documents it never saw, not only where it learnt: nothing to do.",
    "OVERFIT": "It recites: train for fewer epochs, or with a smaller learning rate; or add different documents.",
}
UNSHOWN = (
    "It is not shown that what it learnt holds for documents it never saw: the line of new documents holds 0, or there "
    "are too few to say. Add different documents."
)


def fit(record: Mapping[str, Any]) -> Section | None:
    """Bits that training saved on right answers, where they were learnt and where they were not."""
    figure = record["figures"].get("fit")
    if figure is None:
        return None
    bars = [_bar(*SETS[name], figure[name]) for name in SETS if name in figure]
    ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    scale = plots.scale_around([0.0, *ends], unit=1.0, suffix="")
    title = f"Bits saved per {figure['unit']} of right answers"
    plot = plots.intervals(bars, scale=scale, title=title, marks=[Mark(0.0, "0: as likely as before training")])
    meaning = MEANINGS.get(record["gates"]["overfit"]["state"], UNSHOWN)
    lines = [f"Shown are bits per {figure['unit']} of the right answers that the tuned model saves over the base."]
    if figure["carried"] is not None and figure["carried"]["value"] > 0:
        lines.append(f"Of what it gained on training rows, {figure['carried']['value']:.0%} holds for new documents.")
    best = record["figures"]["past_best"]
    lines += [] if best is None else [in_words(best)]
    secrets = record["figures"]["memorised"]["canaries"]
    lines += [] if secrets is None else [given_away(secrets)]
    return Section("Learnt, or known by heart?", (Figure(meaning, plot),), tuple(lines))


def _bar(name: str, kind: str, figure: Mapping[str, Any]) -> Bar:
    told = f"{figure['value']:+.3f}"
    if figure["low"] is not None:
        told += f" ({figure['low']:+.3f} to {figure['high']:+.3f})"
    return Bar(name, told, figure["value"], figure["low"], figure["high"], kind)
