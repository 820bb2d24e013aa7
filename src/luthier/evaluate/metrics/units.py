"""What a metric's numbers mean: shares of items, or bits, of which less is better."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

PER_ITEM = (
    *(
        "token_f1",
        "exact_match",
        "p_gold",
        "numeric_match",
        "accuracy",
        "bits_per_byte",
        "bits_per_token",
        "win_rate",
        "pair_accuracy",
    ),
    *("spearman", "ndcg_10", "recall_1", "recall_10", "recall_100", "mrr_10"),
)
"""Metrics with one number per item; the first that an arm has is the one by which items are won and lost."""
BITS = {"bits_per_byte": "bits per byte", "bits_per_token": "bits per hidden token"}
RELATIVE = frozenset(BITS)
"""Lower is better, and a gain is -ln(tuned / base): the difficulty of a text cancels."""
UNBOUNDED = RELATIVE | {"spearman"}
"""An item's number is no share of a right answer."""


def item_metric(scores: Mapping[str, Any]) -> str:
    """The metric by which items are won and lost."""
    return next(name for name in PER_ITEM if name in scores)


def further_metrics(scores: Mapping[str, Any]) -> list[str]:
    """Metrics that are shown beside it."""
    return [name for name in PER_ITEM if name in scores and name != item_metric(scores)]


def oriented(scores: Sequence[float], metric: str) -> list[float]:
    """Scores of which more is better and whose difference is a gain: -ln for bits, else as they are."""
    return [-math.log(score) for score in scores] if metric in RELATIVE else list(scores)


def gain_words(value: float, metric: str) -> str:
    """A gain: '+12.3 points', or '4.1 % fewer bits per byte'."""
    if metric not in RELATIVE:
        return f"{100 * value:+.1f} points"
    return f"{abs(fewer(value)):.1f} % {'fewer' if value >= 0 else 'more'} {BITS[metric]}"


def interval_words(figure: Mapping[str, Any], metric: str) -> str:
    """Ends of a gain's interval in its unit, inside what is possible: '+1.2 to +3.4'."""
    if figure["low"] is None:
        return "no interval"
    promise = "" if figure.get("covered", True) else ", not covered"
    if metric in RELATIVE:
        return f"{fewer(figure['low']):.1f} to {fewer(figure['high']):.1f} % fewer{promise}"
    return f"{100 * max(-1.0, figure['low']):+.1f} to {100 * min(1.0, figure['high']):+.1f}{promise}"


def score_words(value: float | None, metric: str) -> str:
    """One arm's score: '93.4 %', or '1.234 bits per byte'; None -> '-'."""
    if value is None:
        return "-"
    if metric in UNBOUNDED:
        return f"{value:.3f}" + (f" {BITS[metric]}" if metric in RELATIVE else "")
    return f"{100 * value:.1f} %"


def fewer(gain: float) -> float:
    """Per cent of the base's bits that are saved by a gain of -ln(tuned / base)."""
    return -100 * math.expm1(-gain)
