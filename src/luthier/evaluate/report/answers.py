"""Items won and lost, with both answers side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.evaluate.metrics.units import RELATIVE, item_metric, oriented, score_words
from luthier.evaluate.report import plots, words
from luthier.evaluate.report.evidence import Observed
from luthier.evaluate.report.parts import Cell, Figure, Section, Table
from luthier.records import Item

SHOWN = 10
WON = {
    False: ("Won: only the tuned model is right", "Lost: only the other is right"),
    True: ("Won: the tuned model needs fewer bits", "Lost: the tuned model needs more bits"),
}
"""Whether the metric is relative -> what winning and losing an item means."""
WON_BY = {
    "ndcg_10": ("Won: the tuned model ranks it higher", "Lost: the tuned model ranks it lower"),
    "spearman": ("Won: the tuned model orders it better", "Lost: the tuned model orders it worse"),
}
"""What winning and losing means where it is not right or wrong."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Places of the items by what became of them, the largest difference first."""

    lost: tuple[int, ...]
    wrong: tuple[int, ...]
    """Neither is right."""
    won: tuple[int, ...]
    right: tuple[int, ...]


def answers(record: Mapping[str, Any], observed: Observed, *, texts: bool) -> Section:
    """Won, lost and equal items, with up to ten of each kind; without texts, their ids and scores."""
    metric = item_metric(observed.base.scores)
    tally = _tally(observed, metric)
    unfinished = record["figures"].get("unfinished", {"base": 0, "tuned": 0})
    meaning = (
        "Read the lost items first, then those that are still wrong: they show what training broke or never taught. "
        f"Cut off at the longest answer: {unfinished['base']:g} of the base, {unfinished['tuned']:g} of the tuned."
    )
    shared = _shared_start(observed.items) if texts else ""
    counts = _counts(tally, metric)
    plot = plots.stacked(counts, title="Items won and lost")
    legend = tuple((kind, f"{label}: {count:,} ({count / len(observed.items):.0%})") for label, count, kind in counts)
    figures = [Figure(meaning, plot, legend=legend)]
    rival = words.SHORT[record["plan"]["against"]]
    for title, meaning, places in _listed(tally, metric):
        head = ("Question", "Expected", rival, "Tuned") if texts else ("Item", "Document", rival, "Tuned")
        row = _with_texts if texts else _with_ids
        rows = tuple(row(observed, record, place, shared) for place in places[:SHOWN])
        if rows:
            figures.append(Figure(meaning, table=Table(title, head, rows), title=f"{title}: {_counted(places)}"))
    lines = (f"Every question starts with: {shared.strip()}",) if shared else ()
    return Section("Items won and lost", tuple(figures), lines, is_long=True)


def _tally(observed: Observed, metric: str) -> Tally:
    tuned, base = (oriented(arm.scores[metric], metric) for arm in (observed.tuned, observed.base))
    gains = [one - other for one, other in zip(tuned, base, strict=True)]
    places = sorted(range(len(gains)), key=lambda place: (-abs(gains[place]), place))
    equal = [place for place in places if gains[place] == 0]
    return Tally(
        lost=tuple(place for place in places if gains[place] < 0),
        wrong=tuple(place for place in equal if tuned[place] != 1 and metric not in RELATIVE),
        won=tuple(place for place in places if gains[place] > 0),
        right=tuple(place for place in equal if tuned[place] == 1 and metric not in RELATIVE),
    )


def _counts(tally: Tally, metric: str) -> list[tuple[str, int, str]]:
    won, lost = WON_BY.get(metric, WON[metric in RELATIVE])
    same = [("Both right", len(tally.right), "same"), ("Neither is right", len(tally.wrong), "half")]
    return [(won, len(tally.won), "tuned"), *(same if metric not in RELATIVE else ()), (lost, len(tally.lost), "bad")]


def _listed(tally: Tally, metric: str) -> list[tuple[str, str, Sequence[int]]]:
    lost = "Here training did harm: ask what in the training rows speaks against the expected answer."
    wrong = "Here training has not helped yet: add examples like these, or mend the expected answer if it is wrong."
    won = "Here training helped: see that the answers are right, and that this is what you wanted to be learnt."
    still = [] if metric in RELATIVE else [("Still not right", wrong, tally.wrong)]
    return [("Lost", lost, tally.lost), *still, ("Won", won, tally.won)]


def _counted(places: Sequence[int]) -> str:
    return f"{SHOWN} of {len(places):,}" if len(places) > SHOWN else f"{len(places)}"


def _with_texts(observed: Observed, record: Mapping[str, Any], place: int, shared: str) -> tuple[Cell, ...]:
    item, metric = observed.items[place], item_metric(observed.base.scores)
    scores = [oriented(arm.scores[metric], metric)[place] for arm in (observed.base, observed.tuned)]
    kinds = [_kind(scores[0], scores[1], metric), _kind(scores[1], scores[0], metric)]
    told = [words.readable(item, arm.texts[place]) for arm in (observed.base, observed.tuned)]
    question = _question(item).removeprefix(shared)
    answered = (Cell(words.cut(text) or "(nothing)", kind) for text, kind in zip(told, kinds, strict=True))
    return (Cell(words.cut(question)), Cell(words.cut(_gold(item))), *answered)


def _with_ids(observed: Observed, record: Mapping[str, Any], place: int, shared: str) -> tuple[Cell, ...]:
    metric, items = item_metric(observed.base.scores), record["items"]
    scores = [arm.scores[metric][place] for arm in (observed.base, observed.tuned)]
    ids = (Cell(items["id"][place], "hash"), Cell(items["document"][place], "hash"))
    return (*ids, *(Cell(score_words(score, metric)) for score in scores))


def _kind(score: float, other: float, metric: str) -> str:
    is_right = score >= other if metric in RELATIVE else score == 1
    return "right" if is_right else "wrong"


def _shared_start(items: Sequence[Item]) -> str:
    """Whole lines that every question starts with: an instruction."""
    lines = _question(items[0]).splitlines(keepends=True) if len(items) > 1 else []
    start = ""
    for line in lines[:-1]:
        if not all(_question(item).startswith(start + line) for item in items):
            break
        start += line
    return start


def _gold(item: Item) -> str:
    """Accepted answers side by side; all entities of a text are one answer."""
    return words.readable(item, "\n".join(item.golds)) if item.task == "tag" else " | ".join(item.golds)


def _question(item: Item) -> str:
    return next((turn.content for turn in reversed(item.messages) if turn.role == "user"), "")
