"""The parts of the page: each figure with one sentence that says what it means and what to do."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from luthier.evaluate.arms import slices_of
from luthier.evaluate.metrics.spans import types_of
from luthier.evaluate.metrics.units import (
    RELATIVE,
    gain_words,
    interval_words,
    item_metric,
    oriented,
    score_words,
)
from luthier.evaluate.report import plots, words
from luthier.evaluate.report.evidence import Observed
from luthier.evaluate.report.plots import Bar, Mark
from luthier.records import Item

SHOWN = 10
GAIN = {False: "Gain in points", True: "Bits per byte saved, in per cent"}
WON = {
    False: ("Won: only the tuned model is right", "Lost: only the other is right"),
    True: ("Won: the tuned model needs fewer bits", "Lost: the tuned model needs more bits"),
}
"""Whether the metric is relative -> what winning and losing an item means."""
FURTHER = {
    "accuracy": "Accuracy",
    "exact_match": "Exact match",
    "micro_f1": "Micro-F1",
    "pair_accuracy": "Pairs of which the better answer is likelier, whatever the base thinks of them",
    **{f"recall_{depth}": f"Recall@{depth}" for depth in (1, 10, 100)},
    "mrr_10": "MRR@10",
}
"""Metrics beside the primary one, in words."""
WON_BY = {
    "ndcg_10": ("Won: the tuned model ranks it higher", "Lost: the tuned model ranks it lower"),
    "spearman": ("Won: the tuned model orders it better", "Lost: the tuned model orders it worse"),
}
"""What winning and losing means where it is not right or wrong."""
READ = {
    "bits_per_byte": "none: every token of the text is scored given those before it",
    "bits_per_token": "none: tokens that were hidden are scored given all that stands around them",
}
LONGEST = 400
"""Characters of a text in the tables."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot and its sentence."""

    meaning: str
    plot: Markup


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the page."""

    title: str
    figures: tuple[Figure, ...]
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the last table."""

    text: str
    hash: bool = False


def gain(record: Mapping[str, Any]) -> Section | None:
    """Both arms, and the gain against 0 and the smallest gain worth shipping."""
    figures, plan = record["figures"], record["plan"]
    if "gain" not in figures:
        return None
    metric, level = words.METRICS[plan["primary"]], words.level(record["look"]["alpha"])
    relative = plan["primary"] in RELATIVE
    arms = [
        Bar(
            name,
            _shown(figures[arm], plan["primary"]),
            figures[arm]["value"],
            figures[arm]["low"],
            figures[arm]["high"],
            arm,
        )
        for arm, name in (("base", words.SHORT[plan["against"]]), ("tuned", "Tuned"))
    ]
    scores = plots.intervals(arms, scale=_scale(arms, plan["primary"]), title=f"{metric} of base and tuned")
    difference, least = figures["gain"], plan["minimum_effect"]
    ends = [end for end in (difference["low"], difference["high"]) if end is not None]
    scale = plots.scale_around([0.0, least, difference["value"], *ends], unit=0.01, suffix="")
    shown = f"{gain_words(difference['value'], plan['primary'])} ({interval_words(difference, plan['primary'])})"
    bar = Bar("Gain", shown, difference["value"], difference["low"], difference["high"], _colour(difference, least))
    marks = [Mark(0.0, "0: no difference"), Mark(least, f"{100 * least:g}: smallest gain worth shipping")]
    return Section(
        title="The gain",
        figures=(
            Figure(
                f"{_axis_words(plan['primary'])}, with {level} intervals. Both sat the same items in the same order; "
                "judge the difference below, not the overlap here.",
                scores,
            ),
            Figure(_gain_words(record), plots.intervals([bar], scale=scale, title=GAIN[relative], marks=marks)),
        ),
        lines=(*_further_words(record), *_rival_words(figures, plan["primary"])),
    )


def power(record: Mapping[str, Any]) -> Section:
    """What this exam could have seen."""
    verdict, figures, plan = record["verdict"], record["figures"], record["plan"]
    lines = []
    if verdict["mde"] is not None:
        size = f"{plan['items']:,} items from {plan['documents']:,} documents"
        seen = gain_words(verdict["mde"], plan["primary"]).lstrip("+")
        lines.append(
            f"With {size}, answered as they were, this exam ships a true gain of {seen} "
            f"four times in five. Smaller gains may exist and stay unseen; more documents would show them."
        )
        differing = figures["gain"]["differing_documents"]
        lines.append(f"The two answered differently in {differing:,} of {figures['gain']['documents']:,} documents.")
    else:
        lines.append(
            "It cannot be said what gain this exam would have seen: too few documents, or too few differences."
        )
    if verdict["verdict"] == "INCONCLUSIVE" and verdict["documents_needed"] is not None:
        lines.append(f"An exam that settles the question needs about {verdict['documents_needed']:,} documents.")
    return Section(title="What this exam could see", figures=(), lines=tuple(lines))


def retention(record: Mapping[str, Any]) -> Section | None:
    """General text: change in bits per byte against the margin."""
    figure = record["figures"].get("retention")
    if figure is None or figure["value"] is None:
        return None
    state = record["gates"]["retained"]["state"]
    value, low, high = (math.expm1(-figure[name]) for name in ("value", "high", "low"))
    limit = math.expm1(-figure["limit"])
    kind = {"RETAINED": "good", "FORGOT": "bad"}.get(state, "open")
    shown = f"{100 * value:+.2f} % ({100 * low:+.2f} to {100 * high:+.2f})"
    scale = plots.scale_around([0.0, limit, low, high], unit=0.01, suffix=" %")
    marks = [Mark(0.0, "0: as the base"), Mark(limit, f"+{100 * limit:g} %: most that is allowed")]
    plot = plots.intervals(
        [Bar("Change", shown, value, low, high, kind)], scale=scale, title="Change on general text", marks=marks
    )
    words_of = {
        "RETAINED": "The interval stays left of the limit: general ability was kept. Nothing to do.",
        "FORGOT": "General text became harder for the model: train with a smaller learning rate or train.scale.",
    }
    meaning = words_of.get(state, "The interval crosses the limit: it is not shown that general ability was kept.")
    bits = (
        f"Bits per byte on {figure['documents']:,} general texts: base {figure['base_bits_per_byte']:.4f}, "
        f"tuned {figure['tuned_bits_per_byte']:.4f} (lower is better); the interval is one-sided 95 % on each end."
    )
    return Section("What the base could do before", (Figure(meaning, plot),), (bits,))


SLICED = {"slices": ("Expected answer", "Items"), "by_type": ("Type of entity", "Entities")}
"""What the rows of a table of parts are, and what is counted in them."""


def sliced_by(record: Mapping[str, Any]) -> str:
    """The figure that tells of parts of the exam: entities by type, or items by expected answer."""
    return "by_type" if "by_type" in record["figures"] else "slices"


def slices(record: Mapping[str, Any], observed: Observed) -> list[dict[str, Any]]:
    """One row per expected answer or type of entity, largest first."""
    by = sliced_by(record)
    names = slices_of(observed.items).names if by == "slices" else types_of(observed.labels)
    column = {"slices": "slice", "by_type": "type"}[by]
    metric = item_metric(observed.base.scores)
    rows = []
    for row in sorted(record["figures"].get(by, []), key=lambda row: (-row["n"], row[column])):
        interval = "-" if row["low"] is None else interval_words(row, metric)
        plot = plots.spark(row["base"], row["tuned"], title=f"base {row['base']:.0%}, tuned {row['tuned']:.0%}")
        shown = {"name": _cut(names[row[column]]), "n": row["n"], "plot": plot, "interval": interval}
        rows.append({**shown, "base": f"{row['base']:.0%}", "tuned": f"{row['tuned']:.0%}"})
    return rows


def answers(record: Mapping[str, Any], observed: Observed) -> dict[str, Any]:
    """Won, lost and equal items, with up to ten of the first two."""
    metric = item_metric(observed.base.scores)
    sides = [oriented(arm.scores[metric], metric) for arm in (observed.tuned, observed.base)]
    pairs = list(zip(*sides, strict=True))
    won = [place for place, (tuned, base) in enumerate(pairs) if tuned > base]
    lost = [place for place, (tuned, base) in enumerate(pairs) if tuned < base]
    right = sum(tuned == base == 1 for tuned, base in pairs)
    same = len(pairs) - len(won) - len(lost) - right
    won_words, lost_words = WON_BY.get(metric, WON[metric in RELATIVE])
    same_words = [] if metric in RELATIVE else [("Both right", right, "same"), ("Both wrong", same, "half")]
    counts = [(won_words, len(won), "tuned"), *same_words, (lost_words, len(lost), "bad")]
    unfinished = record["figures"].get("unfinished", {"base": 0, "tuned": 0})
    cut_off = (
        f"Cut off at the longest answer: {unfinished['base']:g} of the base, {unfinished['tuned']:g} of the tuned."
    )
    shared = _shared_start(observed.items)
    return {
        "shared": shared.strip(),
        "meaning": f"Read the lost items first: they show what training broke or never taught. {cut_off}",
        "plot": plots.stacked(counts, title="Items won and lost"),
        "tables": [
            {"title": _title("Lost", lost), "rows": _rows(observed, lost[:SHOWN], shared)},
            {"title": _title("Won", won), "rows": _rows(observed, won[:SHOWN], shared)},
        ],
    }


def facts(record: Mapping[str, Any]) -> list[tuple[str, Fact]]:
    """Method, environment and hashes."""
    plan, figures, look = record["plan"], record["figures"], record["look"]
    lines: list[tuple[str, Fact]] = []
    found = figures.get("gain")
    if found is not None and found["se"] is not None:
        method = f"{found['interval']}; standard error {found['se']:.4g}, {found['df']:.1f} degrees of freedom"
        lines += [("Interval", Fact(method)), ("Test", Fact(f"{found['test']}, p = {found['p']:.3g}"))]
    lines += [
        ("Look", Fact(f"{look['number']}, spends {look['alpha']:.4g} on each side")),
        ("Claim", Fact(f"{plan['claim']}: items of documents never trained on")),
        ("Decoding", Fact(_decoding(record))),
    ]
    lines += [(f"Gate: {name.replace('_', ' ')}", Fact(gate["state"])) for name, gate in record["gates"].items()]
    environment = record["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(environment["versions"].items()))
    machine = f"Python {environment['python']}, {environment['machine']}, {environment['device']}"
    machine += f", {environment['threads']} threads, {environment['dtype']}"
    lines += [("Versions", Fact(versions)), ("Machine", Fact(machine))]
    hashes = {
        "Evidence": record["sha256"],
        "Plan": record["plan_sha256"],
        "Exam root": record["exam"]["root"],
        "Dataset": record["exam"]["dataset"],
        "Base": record["models"]["base"]["digest"],
        "Tuned": record["models"]["tuned"]["digest"],
        "Ledger line": look["line"],
    }
    return [*lines, *((name, Fact(value, hash=True)) for name, value in hashes.items())]


def _decoding(record: Mapping[str, Any]) -> str:
    if record["plan"]["primary"] in RELATIVE:
        return READ[record["plan"]["primary"]]
    if record["plan"]["primary"] == "win_rate":
        return "none: both answers of an item are read, and each is judged by how much likelier it became"
    if record["plan"]["primary"] in WON_BY:
        return "none: texts are ordered by the cosines of their vectors"
    if record["plan"]["decoding"] is None:
        probe = record["environment"].get("probe", {})
        ended = "converged" if probe.get("converged") else "stopped before it converged"
        what = {"pair_accuracy": "larger reward", "token_f1": "most probable stretch of the text"}
        chosen = what.get(record["plan"]["primary"], "most probable label")
        return f"{chosen}; linear probe with C = {probe.get('strength')}, {ended}"
    return f"greedy, at most {record['environment'].get('max_answer_tokens')} tokens"


def _gain_words(record: Mapping[str, Any]) -> str:
    found, least = record["figures"]["gain"], record["plan"]["minimum_effect"]
    if found["low"] is None:
        return "Too few documents were answered differently to bound the gain. Add documents to the exam."
    if found["low"] >= least:
        return "The whole interval lies right of the smallest gain worth shipping: the gain is real and useful."
    if found["high"] < least:
        return "The whole interval lies left of the smallest gain worth shipping: do not spend more on this exam."
    if found["low"] > 0:
        return "The gain is real, but may be smaller than what is worth shipping."
    return "The interval holds 0: this may be luck. Add documents to the exam, or train a better model."


def _further_words(record: Mapping[str, Any]) -> Iterable[str]:
    figures, entities = record["figures"], record["plan"]["primary"] == "span_f1"
    for metric, name in FURTHER.items():
        if metric in figures:
            found = figures[metric]
            base, tuned = (score_words(found[arm]["value"], metric) for arm in ("base", "tuned"))
            gain = f"{gain_words(found['gain']['value'], metric)} ({interval_words(found['gain'], metric)})"
            yield f"{'Texts without a wrong entity' if entities else name}: base {base}, tuned {tuned}, gain {gain}."


def _rival_words(figures: Mapping[str, Any], metric: str) -> Iterable[str]:
    for rival, found in figures.get("rivals", {}).items():
        gain = found["gain"]
        told = "" if gain is None else f"; the tuned model gains {gain_words(gain['value'], metric)} over it"
        interval = "" if gain is None else f" ({interval_words(gain, metric)})"
        yield f"{rival} reaches {score_words(found['value'], metric)}{told}{interval}."


def _colour(figure: Mapping[str, Any], least: float) -> str:
    if figure["low"] is None:
        return "open"
    return "good" if figure["low"] > 0 else "bad" if figure["high"] < least else "open"


def _shown(figure: Mapping[str, Any], metric: str) -> str:
    return f"{score_words(figure['value'], metric)} ({words.between(figure, metric)})"


def _ends(figure: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    return figure["value"], figure["low"], figure["high"]


def _scale(arms: Sequence[Bar], metric: str) -> plots.Scale:
    if metric not in RELATIVE:
        return plots.share_scale()
    ends = [end for arm in arms for end in (arm.value, arm.low, arm.high) if end is not None]
    return plots.scale_around(ends, unit=1.0, suffix="")


def _axis_words(metric: str) -> str:
    if metric in RELATIVE:
        name = words.METRICS[metric].capitalize()
        return f"{name} that a model needs for text it has never read (fewer is better)"
    return f"Share of the exam by {words.METRICS[metric]}"


def _title(word: str, places: Sequence[int]) -> str:
    return f"{word}: {len(places):,}" + (f", the first {SHOWN}" if len(places) > SHOWN else "")


def _shared_start(items: Sequence[Item]) -> str:
    """Whole lines that every question starts with: an instruction."""
    lines = _question(items[0]).splitlines(keepends=True) if len(items) > 1 else []
    start = ""
    for line in lines[:-1]:
        if not all(_question(item).startswith(start + line) for item in items):
            break
        start += line
    return start


def _rows(observed: Observed, places: Sequence[int], shared: str) -> list[dict[str, str]]:
    rows = []
    for place in places:
        item, base, tuned = observed.items[place], observed.base, observed.tuned
        metric = item_metric(base.scores)
        better = [oriented(arm.scores[metric], metric)[place] for arm in (base, tuned)]
        rows.append(
            {
                "id": item.id,
                "question": _cut(_question(item).removeprefix(shared)),
                "gold": _cut(_gold(item)),
                "base": _cut(words.readable(item, base.texts[place])),
                "base_kind": _kind(better[0], better[1], metric),
                "tuned": _cut(words.readable(item, tuned.texts[place])),
                "tuned_kind": _kind(better[1], better[0], metric),
            }
        )
    return rows


def _kind(score: float, other: float, metric: str) -> str:
    is_right = score >= other if metric in RELATIVE else score == 1
    return "right" if is_right else "wrong"


def _gold(item: Item) -> str:
    """Accepted answers side by side; all entities of a text are one answer."""
    return words.readable(item, "\n".join(item.golds)) if item.task == "tag" else " | ".join(item.golds)


def _question(item: Item) -> str:
    return next((turn.content for turn in reversed(item.messages) if turn.role == "user"), "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
