"""Other ways to do the same work, and what the tuned model gains over each."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.arms import BOTH, OPEN_BOOK
from luthier.evaluate.metrics.units import RELATIVE, gain_words, interval_words, score_words
from luthier.evaluate.report import plots, words
from luthier.evaluate.report.gain import scale_of
from luthier.evaluate.report.parts import Cell, Figure, Section, Table
from luthier.evaluate.report.plots import Bar

READING = {
    "better": ("tuned is better", "right"),
    "worse": ("rival is better", "wrong"),
    "open": ("not told apart", ""),
}


TITLE = "Other ways to do this work"
ALONE = "No other way was asked, so it is not known whether training was worth it against one."


def rivals(record: Mapping[str, Any]) -> Section | None:
    """Every arm beside the two that are compared, if there are any."""
    figures, plan = record["figures"], record["plan"]
    found = figures.get("rivals", {})
    absent = tuple(f"{words.SHORT[name]} was not asked: {why}." for name, why in plan.get("not_asked", {}).items())
    if "gain" not in figures or not (found or absent):
        return None
    if not found:
        return Section(TITLE, (Figure(ALONE),), absent)
    metric = plan["primary"]
    known = {words.SHORT[plan["against"]]: figures["base"], **{words.SHORT[name]: found[name] for name in found}}
    bars = [_bar(name, figure, metric, "base") for name, figure in known.items()]
    bars.append(_bar("Tuned", figures["tuned"], metric, "tuned"))
    bars.sort(key=lambda bar: bar.value, reverse=metric not in RELATIVE)
    plot = plots.intervals(bars, scale=scale_of(bars, metric), title=f"{words.METRICS[metric]} of every way")
    table = Table(
        caption="What the tuned model gains over each",
        head=("Rival", "What it is", "Reaches", "Gain over it", "Reading"),
        rows=tuple(_row(name, found[name], record) for name in found),
        numbers=(2, 3),
    )
    return Section(TITLE, (Figure(_meaning(record), plot, table),), absent)


def reading(rival: Mapping[str, Any], *, alpha: float) -> str:
    """better, worse or open: what the gain over a rival shows, after correction for the number of rivals."""
    gain = rival["gain"]
    if gain["low"] is None:
        return "open"
    if gain["low"] > 0 and gain["adjusted"] <= alpha:
        return "better"
    return "worse" if gain["high"] < 0 else "open"


def _meaning(record: Mapping[str, Any]) -> str:
    found, alpha = record["figures"]["rivals"], record["look"]["alpha"]
    read = {name: reading(figure, alpha=alpha) for name, figure in found.items()}
    beaten_by = [name for name in found if read[name] == "worse"]
    instead = [words.SHORT[name] for name in beaten_by if name not in (BOTH, OPEN_BOOK)]
    unclear = [words.SHORT[name] for name in found if read[name] == "open"]
    if instead:
        return f"{words.listed(instead)} did better on the same items: if you can, take it instead of this model."
    if OPEN_BOOK in beaten_by:
        return (
            "Given the right passage, the base did better: a search that finds it may serve you better than training."
        )
    if BOTH in beaten_by:
        return "The tuned model does better with retrieval than alone: run it so if you can."
    if unclear:
        return (
            f"{words.listed(unclear)} did not do clearly worse on the same items: where the two are not told apart, "
            "take whichever is cheaper to run."
        )
    return "On the same items, none of these other ways does as well as the tuned model: training was worth it."


def _bar(name: str, figure: Mapping[str, Any], metric: str, kind: str) -> Bar:
    low, high = figure.get("low"), figure.get("high")
    told = score_words(figure["value"], metric)
    if low is not None:
        told += f" ({words.between(figure, metric)})"
    return Bar(name, told, figure["value"], low, high, kind)


def _row(name: str, figure: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[Cell, ...]:
    metric, gain = record["plan"]["primary"], figure["gain"]
    told, kind = READING[reading(figure, alpha=record["look"]["alpha"])]
    over = f"{gain_words(gain['value'], metric)} ({interval_words(gain, metric)})"
    return (
        Cell(words.SHORT[name]),
        Cell(words.RIVALS[name]),
        Cell(score_words(figure["value"], metric)),
        Cell(over),
        Cell(told, kind),
    )
