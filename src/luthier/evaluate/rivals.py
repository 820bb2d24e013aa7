"""Other ways to do the work: what each reaches, and whether the tuned model is better than it."""

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.evaluate.arms import BOTH, IN_WORDS, OPEN_BOOK, RETRIEVAL
from luthier.evaluate.compare import Figure, Sample, compare_scores, mean_of, plain_mean, score_of
from luthier.evaluate.metrics.units import (
    UNBOUNDED,
    gain_words,
    interval_words,
    item_metric,
    oriented,
    score_words,
)
from luthier.evaluate.statistics.several import holm

LUCK = " The interval holds 0, so this may be luck."
BETTER = {True: "would serve this better", False: "may serve this better"}
"""Whether a lead is shown -> how it is told."""


def face(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the arm that the plan set the tuned model against in the place of `base`.

    A linear probe stands there already, because a base without a head gives no other answers.
    """
    scores, against = record["scores"], record["plan"]["against"]
    return {**record, "scores": {**scores, "base": scores.get(against, scores["base"])}}


def rival_figures(record: Mapping[str, Any], sample: Sample) -> dict[str, Figure]:
    """Rival -> its own figure (`value`, `low`, `high`, `n`, `documents`) and `gain`, the figure of what the tuned model
    gains over it, with `p`, and `adjusted`: the same by Holm for the number of rivals.

    Rivals are all arms but the tuned model and the one that the verdict is about. Where the exam is too small to bound
    anything, bounds and chances are None.
    """
    scores, against = record["scores"], record["plan"]["against"]
    found = rivals_of(record, against if against in scores else "base", sample)
    correct([figure["gain"] for figure in found.values()])
    return found


def rivals_of(record: Mapping[str, Any], against: str, sample: Sample) -> dict[str, Figure]:
    """`rival_figures` beside the arm `against`, not corrected for their number."""
    return {name: _rival(record, name, sample) for name in sorted(record["scores"].keys() - {"tuned", against})}


def correct(gains: Sequence[dict[str, Any]]) -> None:
    """Put `adjusted` into gains: p by Holm over those that have one."""
    tested = [gain for gain in gains if gain["p"] is not None]
    for gain, adjusted in zip(tested, holm([gain["p"] for gain in tested]), strict=True):
        gain["adjusted"] = float(adjusted)


def advise(record: Mapping[str, Any], figures: Mapping[str, Any]) -> list[str]:
    """What a person should know before anything else but the verdict: that retrieval would serve this better than
    training, or training and retrieval together best of all, with the numbers; and the same of what trained documents
    say, where that was asked beside. Empty if nothing is so.
    """
    metric, against = record["plan"]["primary"], record["plan"]["against"]
    if "gain" not in figures:
        return []
    tuned = figures["tuned"]["value"]
    rivals = {against: {"value": figures["base"]["value"], "gain": figures["gain"]}, **figures["rivals"]}
    lines = []
    for name in (RETRIEVAL, OPEN_BOOK):
        if name in rivals and rivals[name]["gain"]["value"] < 0:
            told = f"Retrieval {BETTER[_is_shown(rivals[name])]}"
            lines.append(f"{told}: {_leads(name, rivals[name], tuned, metric)}")
    others = [figure["value"] for name, figure in rivals.items() if name != BOTH]
    if BOTH in rivals and rivals[BOTH]["value"] > max(tuned, *others):
        lines.append(f"Both together do best: {_leads(BOTH, rivals[BOTH], tuned, metric)}")
    return lines + [line for row in figures.get("further", ()) for line in _advise_further(row)]


def _advise_further(row: Mapping[str, Any]) -> list[str]:
    """That retrieval would serve better for facts of trained documents, if a further task shows it."""
    if row["claim"] != "KNOWLEDGE":
        return []
    tuned = row["tuned"][row["metric"]]
    return [
        f"For facts of documents that were trained on ({row['task']}) retrieval would serve better: "
        f"{_leads(name, row['rivals'][name], tuned, row['metric'])}"
        for name in (RETRIEVAL, OPEN_BOOK)
        if name in row["rivals"] and _is_shown(row["rivals"][name])
    ]


def _is_shown(rival: Figure) -> bool:
    """Whether a rival is better by more than luck explains."""
    high = rival["gain"]["high"]
    return high is not None and high < 0


def _rival(record: Mapping[str, Any], name: str, sample: Sample) -> Figure:
    scores, alpha = record["scores"], record["look"]["alpha"]
    metric = item_metric(scores["base"])
    tuned, own = (oriented(scores[arm][metric], metric) for arm in ("tuned", name))
    if not sample.can_be_measured:
        none = {"low": None, "high": None}
        gain = {"value": plain_mean([a - b for a, b in zip(tuned, own, strict=True)], sample), **none}
        return {
            "value": plain_mean(scores[name][metric], sample),
            **none,
            "gain": {**gain, "p": None, "adjusted": None},
        }
    bounded = mean_of if metric in UNBOUNDED else score_of
    gain = compare_scores(tuned, own, sample=sample, alpha=alpha, seed=record["plan"]["seed"])
    return {**bounded(scores[name][metric], sample=sample, alpha=alpha), "gain": gain}


def _leads(name: str, rival: Figure, tuned: float, metric: str) -> str:
    """A rival that does better, beside the tuned model."""
    gain = rival["gain"]
    told = f"the {IN_WORDS[name]} reaches {score_words(rival['value'], metric)}, the tuned model alone "
    told += f"{score_words(tuned, metric)}: {gain_words(gain['value'], metric)}"
    if gain["low"] is None:
        return f"{told}, on too few documents to bound it."
    luck = LUCK if gain["high"] >= 0 else ""
    return f"{told} ({interval_words(gain, metric)}).{luck}"
