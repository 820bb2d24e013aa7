"""What the base could do before, and whether the tuned model still can: general text, and general tasks."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from luthier.evaluate.forget import retention_state
from luthier.evaluate.report import plots
from luthier.evaluate.report.parts import Figure, Section
from luthier.evaluate.report.plots import Bar, Mark

KINDS = {"RETAINED": "good", "FORGOT": "bad"}
TEXT = {
    "RETAINED": "The line stays left of the limit: general text is no harder for the model than is allowed.",
    "FORGOT": "General text became harder for the model: train with a smaller learning rate or train.scale.",
}
UNSHOWN = (
    "The line crosses the limit: it is not shown that general ability was kept. Train with a smaller learning rate or "
    "train.scale, or accept a wider margin in the plan."
)
TOLD = (
    "A line crosses the limit: too few tasks were asked to say whether they are still done. They do not count in the "
    "verdict; to know, raise evaluate.general_items, and to let them count, name them in evaluate.retention_tasks."
)
TASKS = {
    "RETAINED": "Every line stays right of the limit: the model still does these general tasks.",
    "FORGOT": "A line lies left of the limit: the model lost a general task; train less, or with a smaller rate.",
}
TITLES = {"search": "Search in general texts (nDCG@10)"}
"""Suites whose name says too little."""
GUESSING = "; the base does no better than guessing, so it has little to lose"


def retention(record: Mapping[str, Any]) -> Section | None:
    """Change on general text and on each suite of general tasks, against what is allowed."""
    figures = record["figures"]
    parts = [*_text(figures.get("retention")), *_tasks(figures.get("tasks", {}))]
    if not parts:
        return None
    return Section("What the base could do before", tuple(parts), tuple(_lines(figures)))


def _text(figure: dict[str, Any] | None) -> Iterator[Figure]:
    if figure is None or figure["value"] is None:
        return
    state = retention_state(figure)
    value, low, high = (math.expm1(-figure[name]) for name in ("value", "high", "low"))
    limit = math.expm1(-figure["limit"])
    told = f"{100 * value:+.2f} % ({100 * low:+.2f} to {100 * high:+.2f})"
    scale = plots.scale_around([0.0, limit, low, high], unit=0.01, suffix=" %")
    marks = [Mark(0.0, "0: as the base"), Mark(limit, f"+{100 * limit:g} %: most that is allowed")]
    bar = Bar("Bits per byte of general text", told, value, low, high, KINDS.get(state, "open"))
    plot = plots.intervals([bar], scale=scale, title="Change on general text", marks=marks)
    yield Figure(TEXT.get(state, UNSHOWN), plot)


def _tasks(tasks: Mapping[str, dict[str, Any]]) -> Iterator[Figure]:
    bounded = {name: figure for name, figure in tasks.items() if figure["low"] is not None}
    if not bounded:
        return
    states = {name: retention_state(figure) for name, figure in bounded.items()}
    limit = min(figure["limit"] for figure in bounded.values())
    bars = []
    for name, figure in bounded.items():
        told = f"{100 * figure['value']:+.1f} points ({100 * figure['low']:+.1f} to {100 * figure['high']:+.1f})"
        found = figure["value"], figure["low"], figure["high"]
        bars.append(Bar(_title(name), told, *found, KINDS.get(states[name], "open")))
    ends = [end for figure in bounded.values() for end in (figure["low"], figure["high"])]
    scale = plots.scale_around([0.0, limit, *ends], unit=0.01, suffix="")
    marks = [Mark(0.0, "0: as the base"), Mark(limit, f"{100 * limit:g}: most that may be lost")]
    worst = next((state for state in ("FORGOT", "INCONCLUSIVE") if state in states.values()), "RETAINED")
    plot = plots.intervals(bars, scale=scale, title="Change in general tasks, in points", marks=marks)
    judged = any(figure["counts"] for name, figure in bounded.items() if states[name] == worst)
    yield Figure(TASKS.get(worst, UNSHOWN if judged else TOLD), plot)


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    figure = figures.get("retention")
    if figure is not None and figure["value"] is not None:
        yield (
            f"Bits per byte on {figure['documents']:,} general texts: base {figure['base_bits_per_byte']:.4f}, "
            f"tuned {figure['tuned_bits_per_byte']:.4f} (lower is better); each end of a line is passed once in 20."
        )
    for name, task in figures.get("tasks", {}).items():
        told = f"base {task['base']:.1%}, tuned {task['tuned']:.1%}, guessing {task['chance']:.1%}"
        counts = "" if task["counts"] else "; told, not judged"
        yield f"{_title(name)}: {told}{GUESSING if task.get('guesses') else ''}{counts}."


def _title(name: str) -> str:
    return TITLES.get(name, name.capitalize())
