"""Answers that are chosen: how likely a model holds each option, and how much of that goes to the right one."""

import math
from collections.abc import Sequence


def option_scores(logs: Sequence[float], gold: int) -> dict[str, float]:
    """Scores of one item from log p of its options (letters) or log p per byte (texts); `gold`: the right one's place.

    `p_gold`: softmax of that. `accuracy`: whether it is the likeliest; ties are shared. `brier`: sum over
    options of (p - [it is right])^2, Brier (1950), in [0, 2].
    """
    highest = max(logs)
    weights = [math.exp(log - highest) for log in logs]
    shares = [weight / math.fsum(weights) for weight in weights]
    first = [place for place, log in enumerate(logs) if log == highest]
    return {
        "p_gold": shares[gold],
        "accuracy": (gold in first) / len(first),
        "brier": math.fsum((share - (place == gold)) ** 2 for place, share in enumerate(shares)),
    }


def option_words(options: Sequence[str], logs: Sequence[float]) -> str:
    """The likeliest option for a person, behind the logs of all: '-1.5 -0.25: bar'."""
    return f"{' '.join(map(repr, logs))}: {options[list(logs).index(max(logs))]}"


def told_logs(text: str) -> list[float]:
    """The logs that `option_words` wrote. ValueError if it did not write the text."""
    return [float(log) for log in text.partition(": ")[0].split(" ")]
