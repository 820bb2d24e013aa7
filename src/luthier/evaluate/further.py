"""Tasks beside the one that decides: shown with Holm's correction, and never part of the verdict."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.evaluate.arms import Arm
from luthier.evaluate.compare import Figure, Sample, compare_scores, plain_mean, sample_of
from luthier.evaluate.cost import token_figures
from luthier.evaluate.lineup import Props
from luthier.evaluate.metrics.units import item_metric, oriented
from luthier.evaluate.rivals import correct, rivals_of
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS
from luthier.evaluate.statistics.several import holm
from luthier.records import Item

KNOWN_BY = "p_gold"
"""The metric of the claim KNOWLEDGE."""
METRICS = {
    "complete": "bits_per_byte",
    "cloze": "p_gold",
    "definition": "p_gold",
    "order": "p_gold",
    "table": "p_gold",
    "number": "numeric_match",
}
"""Task that may not decide -> metric by which it is judged."""


@dataclass(frozen=True, slots=True)
class Further:
    """Items of one task under one claim, and the answers of every arm that the plan names for them."""

    claim: str
    task: str
    items: Sequence[Item]
    base: Arm
    tuned: Arm
    rivals: Mapping[str, Arm] = field(default_factory=dict)

    @property
    def arms(self) -> dict[str, Arm]:
        """All by name."""
        return {"base": self.base, "tuned": self.tuned, **self.rivals}


def deciding(items: Sequence[Item], *, claim: str, objective: str) -> list[Item]:
    """Items that the verdict is about: held-out rows of the objective, or what is chosen about trained documents."""
    own = [item for item in items if item.claim == claim]
    if claim == "KNOWLEDGE":
        return [item for item in own if METRICS[item.task] == KNOWN_BY]
    return [item for item in own if item.task == objective]


def further_tasks(items: Sequence[Item], deciding: Sequence[Item]) -> dict[tuple[str, str], list[Item]]:
    """Claim and task -> its items, of all items that do not decide."""
    decide = {item.id for item in deciding}
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.id not in decide:
            found[item.claim, item.task].append(item)
    return dict(sorted(found.items()))


def planned(items: Sequence[Item], deciding: Sequence[Item], props: Props) -> list[dict[str, Any]]:
    """What the plan says of further tasks."""
    rows = []
    for (claim, task), found in further_tasks(items, deciding).items():
        seated = props.lineup(found, METRICS[task])
        asked = {"arms": sorted(seated.arms), "not_asked": seated.not_asked}
        size = {"items": len(found), "documents": len({item.document for item in found})}
        rows.append({"claim": claim, "task": task, "metric": METRICS[task], **asked, **size})
    return rows


def further_figures(record: Mapping[str, Any]) -> list[Figure]:
    """Base, tuned and the gain of every further task, and p by Holm over those of 6 documents or more; the same of
    every rival that sat it, by Holm over all tasks' rivals; and what each arm's answers cost.
    """
    rows = [_figure(one, record) for one in record.get("further", ())]
    tested = [row for row in rows if row["gain"] is not None]
    adjusted = holm([row["gain"]["p"] for row in tested]).tolist() if tested else []
    for row, chance in zip(tested, adjusted, strict=True):
        row["adjusted"] = chance
    correct([figure["gain"] for row in rows for figure in row["rivals"].values()])
    return rows


def _figure(one: Mapping[str, Any], record: Mapping[str, Any]) -> Figure:
    scores, size = one["scores"], len(one["items"]["id"])
    task, folds = [one["task"]] * size, record["plan"].get("folds", 0)
    sample = sample_of(one["items"]["document"], task, weights={one["task"]: 1.0}, folds=folds)
    metric = item_metric(scores["base"])
    means = {arm: {name: plain_mean(scores[arm][name], sample) for name in scores[arm]} for arm in ("base", "tuned")}
    gain, rivals = None, {}
    if sample.documents >= FEWEST_DOCUMENTS:
        gain, rivals = _gain(scores, metric, sample, record), rivals_of({**record, "scores": scores}, "base", sample)
    about = {"claim": one["claim"], "task": one["task"], "metric": metric, "n": size, "documents": sample.documents}
    return {**about, **means, "gain": gain, "adjusted": None, "rivals": rivals, "cost": token_figures(one["cost"])}


def _gain(scores: Mapping[str, Any], metric: str, sample: Sample, record: Mapping[str, Any]) -> Figure:
    arms = oriented(scores["tuned"][metric], metric), oriented(scores["base"][metric], metric)
    return compare_scores(*arms, sample=sample, alpha=record["look"]["alpha"], seed=record["plan"]["seed"])
