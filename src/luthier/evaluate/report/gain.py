"""The gain, and what this exam could have seen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from luthier.evaluate.foresight import sees
from luthier.evaluate.metrics.units import RELATIVE, gain_words, interval_words, score_words
from luthier.evaluate.report import plots, words
from luthier.evaluate.report.parts import Figure, Section
from luthier.evaluate.report.plots import Bar, Mark, Zone
from luthier.evaluate.statistics.power import DIFFERING

GAIN = {False: "Gain in points", True: "Bits per byte saved, in per cent"}
FURTHER = {
    "accuracy": "Accuracy",
    "exact_match": "Exact match",
    "micro_f1": "Micro-F1",
    "pair_accuracy": "Pairs of which the better answer is likelier, whatever the base thinks of them",
    **{f"recall_{depth}": f"Recall@{depth}" for depth in (1, 10, 100)},
    "mrr_10": "MRR@10",
}
"""Metrics beside the primary one, in words."""


def gain(record: Mapping[str, Any]) -> Section | None:
    """Both arms, and the gain against 0 and the smallest gain worth shipping."""
    figures, plan = record["figures"], record["plan"]
    if "gain" not in figures:
        return None
    metric = plan["primary"]
    arms = [
        Bar(name, shown(figures[arm], metric), *ends(figures[arm]), arm)
        for arm, name in (("base", words.SHORT[plan["against"]]), ("tuned", "Tuned"))
    ]
    title = f"{words.METRICS[metric]} of base and tuned"
    return Section(
        title="The gain",
        figures=(
            Figure(_arms_words(record), plots.intervals(arms, scale=scale_of(arms, metric), title=title)),
            Figure(_gain_words(record), _gain_plot(figures["gain"], plan)),
        ),
        lines=tuple(_further_words(record)),
    )


def power(record: Mapping[str, Any]) -> Section:
    """What this exam could have seen: gains too small to matter, gains that it may miss, gains that it finds."""
    verdict, figures, plan = record["verdict"], record["figures"], record["plan"]
    title = "What this exam could have seen"
    if verdict["mde"] is None:
        why = "It cannot be said what gain this exam would have seen: too few documents, or too few differences."
        return Section(title, (Figure(f"{why} Add documents to the exam before you trust any number here."),))
    seen = gain_words(verdict["mde"], plan["primary"]).lstrip("+")
    meaning = (
        f"An exam of {plan['items']:,} items from {plan['documents']:,} documents finds a true gain of {seen} or more "
        "at least four times in five. If a smaller gain would matter to you, add documents to the exam."
    )
    differing = figures["gain"]["differing_documents"]
    lines = [f"The two answered differently in {differing:,} of {figures['gain']['documents']:,} documents."]
    lines += _foreseen(figures.get("psi"), plan)
    if verdict["verdict"] == "INCONCLUSIVE" and verdict["documents_needed"] is not None:
        lines.append(f"An exam that settles the question needs about {verdict['documents_needed']:,} documents.")
    return Section(title, (_seen(meaning, record),), tuple(lines))


def _foreseen(psi: float | None, plan: Mapping[str, Any]) -> list[str]:
    """What was reckoned with before training, against what came."""
    gain = sees(plan)
    if psi is None or gain is None or gain >= 1 or plan["primary"] in RELATIVE:
        return []
    reckoned, noise = f"{100 * DIFFERING:.0f} %", "less" if psi < DIFFERING else "more"
    return [
        f"Before training it was reckoned that the two differ on {reckoned} of the items, and that gains of "
        f"{100 * gain:.0f} points are found. They differed on {100 * psi:.0f} % (of graded answers: mean squared "
        f"difference): {noise} noise than was reckoned with."
    ]


def shown(figure: Mapping[str, Any], metric: str) -> str:
    """An arm's score with its interval."""
    return f"{score_words(figure['value'], metric)} ({words.between(figure, metric)})"


def ends(figure: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    """Value, low and high."""
    return figure["value"], figure["low"], figure["high"]


def scale_of(arms: Sequence[Bar], metric: str) -> plots.Scale:
    """The scale of scores: 0 to 100 %, or what holds all bits."""
    if metric not in RELATIVE:
        return plots.share_scale()
    found = [end for arm in arms for end in (arm.value, arm.low, arm.high) if end is not None]
    return plots.scale_around(found, unit=1.0, suffix="")


def _gain_plot(difference: Mapping[str, Any], plan: Mapping[str, Any]) -> Markup:
    least, metric = plan["minimum_effect"], plan["primary"]
    found = [end for end in (difference["low"], difference["high"]) if end is not None]
    scale = plots.scale_around([0.0, least, difference["value"], *found], unit=0.01, suffix="")
    told = f"{gain_words(difference['value'], metric)} ({interval_words(difference, metric)})"
    bar = Bar("Gain", told, *ends(difference), _colour(difference, least))
    marks = [Mark(0.0, "0: no difference"), Mark(least, f"{100 * least:g}: smallest gain worth shipping")]
    return plots.intervals([bar], scale=scale, title=GAIN[metric in RELATIVE], marks=marks)


def _seen(meaning: str, record: Mapping[str, Any]) -> Figure:
    verdict, plan, found = record["verdict"], record["plan"], record["figures"]["gain"]
    metric, least, seen = plan["primary"], plan["minimum_effect"], verdict["mde"]
    low, high = (value for value in (found["low"], found["high"]))
    scale = plots.scale_around([min(0.0, low), max(1.5 * seen, high)], unit=0.01, suffix="")
    named = [gain_words(value, metric).lstrip("+") for value in (least, seen)]
    zones = [
        Zone(scale.low, least, "same", f"Below {named[0]}: too small to be worth shipping"),
        Zone(least, seen, "warn", f"Up to {named[1]}: worth shipping, but this exam may miss it"),
        Zone(seen, scale.high, "found", f"From {named[1]}: found at least four times in five"),
    ]
    told = f"Measured: {gain_words(found['value'], metric)} ({interval_words(found, metric)})"
    bar = Bar("Gain", told, *ends(found), "mine")
    plot = plots.ruler(bar, zones, scale=scale, title="Gains that this exam can and cannot see")
    return Figure(meaning, plot, legend=(*((zone.kind, zone.label) for zone in zones), (bar.kind, bar.shown)))


def _arms_words(record: Mapping[str, Any]) -> str:
    metric = record["plan"]["primary"]
    line = f"the line holds the true value in {words.level(record['look']['alpha'])} of such exams".replace(" %", "")
    line = line.replace(" of such exams", " of 100 such exams")
    axis = f"Share of the exam by {words.METRICS[metric]}"
    if metric in RELATIVE:
        name = words.METRICS[metric].capitalize()
        axis = f"{name} that a model needs for text it has never read (fewer is better)"
    return (
        f"{axis}: the dot is what was measured, {line}. Both sat the same items, so judge the difference in the next "
        "figure, not whether the lines overlap here."
    )


def _gain_words(record: Mapping[str, Any]) -> str:
    found, least = record["figures"]["gain"], record["plan"]["minimum_effect"]
    if found["low"] is None:
        return "Too few documents were answered differently to bound the gain. Add documents to the exam."
    if found["low"] >= least:
        return "The whole line lies right of the smallest gain worth shipping: the gain is real and useful."
    if found["high"] < least:
        return "The whole line lies left of the smallest gain worth shipping: do not spend more on this exam."
    if found["low"] > 0:
        return "The gain is real, but may be smaller than what is worth shipping: add documents to know it better."
    return "The line holds 0: this may be luck. Add documents to the exam, or train a better model."


def _further_words(record: Mapping[str, Any]) -> Iterable[str]:
    figures, entities = record["figures"], record["plan"]["primary"] == "span_f1"
    for metric, name in FURTHER.items():
        if metric in figures:
            found = figures[metric]
            base, tuned = (score_words(found[arm]["value"], metric) for arm in ("base", "tuned"))
            chance = found["gain"]["adjusted"]
            tested = "" if chance is None else f"; p = {chance:.2g}, corrected for the number of further metrics"
            told = f"{gain_words(found['gain']['value'], metric)} ({interval_words(found['gain'], metric)}{tested})"
            yield f"{'Texts without a wrong entity' if entities else name}: base {base}, tuned {tuned}, gain {told}."


def _colour(figure: Mapping[str, Any], least: float) -> str:
    if figure["low"] is None:
        return "open"
    return "good" if figure["low"] > 0 else "bad" if figure["high"] < least else "open"
