"""Numbers of a report in words, the same way everywhere."""

import math
from collections.abc import Mapping
from typing import Any

METRICS = {"exact_match": "exact match", "macro_f1": "macro-F1", "accuracy": "accuracy"}
ARMS = {"base": "base", "linear probe": "linear probe on the base"}
SHORT = {"base": "Base", "linear probe": "Probe"}


def share(value: float | None) -> str:
    """0.934 -> '93.4 %'; None -> '-'."""
    return "-" if value is None else f"{100 * value:.1f} %"


def points(value: float) -> str:
    """0.123 -> '+12.3'."""
    return f"{100 * value:+.1f}"


def between(figure: Mapping[str, Any], *, signed: bool = False) -> str:
    """Interval of a figure in words, inside what is possible, or that there is none."""
    if figure["low"] is None:
        return "no interval"
    low, high = max(-1.0, figure["low"]), min(1.0, figure["high"])
    return f"{points(low)} to {points(high)}" if signed else f"{100 * low:.1f} to {100 * high:.1f}"


def change(log_ratio: float) -> str:
    """A log ratio as a change: 0.01 -> '+1.01 %'."""
    return f"{100 * math.expm1(log_ratio):+.2f} %"


def level(alpha: float) -> str:
    """Two-sided level of an interval with alpha on each side: 0.025 -> '95 %'."""
    return f"{100 * (1 - 2 * alpha):.3g} %"


def tied(text: str) -> str:
    """Keep a number and its percent sign, and 'p = ...', on one line."""
    return text.replace(" %", "\u00a0%").replace("p = ", "p\u00a0=\u00a0")


def lead(record: Mapping[str, Any]) -> str:
    """The result in one or two sentences."""
    figures, plan = record["figures"], record["plan"]
    if "gain" not in figures:
        return "The exam is too small to measure a gain."
    gain = figures["gain"]
    metric = METRICS[plan["primary"]]
    size = f"{gain['n']:,} sealed items from {gain['documents']:,} documents never trained on"
    rival = ARMS[plan["against"]]
    interval = f"{level(record['look']['alpha'])} interval {between(gain, signed=True)}"
    return (
        f"On {size}, the tuned model reaches {share(figures['tuned']['value'])} {metric}, the {rival} "
        f"{share(figures['base']['value'])}: {points(gain['value'])} points ({interval})."
    )
