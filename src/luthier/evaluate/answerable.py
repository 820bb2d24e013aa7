"""Whether items can be answered: how many the base has right when it is given each one's own source.

An item that its source does not answer asks for a guess. Both arms guess it, so it hides gains and makes none; it is
told and stays, because after sealing no item leaves.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from luthier.evaluate.arms import OPEN_BOOK
from luthier.evaluate.compare import Figure, plain_mean, sample_of, score_of

LEAST = 0.8
"""Share of a kind that must be right."""
RIGHT = {"exact_match": "exact_match", "p_gold": "accuracy", "numeric_match": "numeric_match"}
"""Metric of a task -> the score that is 1 where an answer is right."""
DOUBT = (
    "Of the items of kind '{task}' the base answers {share:.0%} with each one's own source before it, and {least:.0%} "
    "are expected: they may not be answerable, or the base may be too weak to read. Look at some of them "
    "(exam/audit.csv) before you trust them."
)


def answerable_figures(record: Mapping[str, Any]) -> list[Figure]:
    """Claim and task -> share of items that the base answers rightly given their source, with its interval, whether
    that is `enough`, and whether the kind `decides`; only of those that were asked so.
    """
    plan, columns, found = record["plan"], record["items"], []
    for task in sorted(set(columns["task"])) if OPEN_BOOK in record["scores"] else ():
        places = [place for place, each in enumerate(columns["task"]) if each == task]
        right = record["scores"][OPEN_BOOK][RIGHT[plan["primary"]]]
        kind = [columns["document"][place] for place in places], [right[place] for place in places]
        about = {"claim": plan["claim"], "task": task, "decides": True}
        found.append(about | _figure(*kind, alpha=record["look"]["alpha"]))
    metrics = {(row["claim"], row["task"]): row["metric"] for row in plan.get("further", ())}
    for one in record.get("further", ()):
        if OPEN_BOOK in one["scores"]:
            right = one["scores"][OPEN_BOOK][RIGHT[metrics[one["claim"], one["task"]]]]
            about = {"claim": one["claim"], "task": one["task"], "decides": False}
            found.append(about | _figure(one["items"]["document"], right, alpha=record["look"]["alpha"]))
    return found


def doubts(figures: Mapping[str, Any]) -> Iterator[str]:
    """What is to be said of kinds that decide and that the base cannot answer from their source."""
    for one in figures.get("answerable", ()):
        if one["decides"] and not one["enough"]:
            yield DOUBT.format(task=one["task"], share=one["value"], least=LEAST)


def _figure(documents: list[str], right: list[float], *, alpha: float) -> Figure:
    sample = sample_of(documents, ["one"] * len(right), weights={"one": 1.0})
    if sample.can_be_measured:
        figure = score_of(right, sample=sample, alpha=alpha)
    else:
        size = {"n": len(right), "documents": sample.documents}
        figure = {"value": plain_mean(right, sample), "low": None, "high": None, **size}
    return {**figure, "enough": figure["value"] >= LEAST}
