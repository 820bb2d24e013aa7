"""What each arm costs: tokens, which are the same everywhere, and seconds and memory, which are this machine's.

`cost` in the evidence has, for each arm that writes, the columns `prompt_tokens` and `answer_tokens`, one number per
item; `figures.cost` is made from them. What a clock says stays outside all that is hashed, in `notes/cost.json`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from luthier.compute.memory import resident
from luthier.evaluate.arms import FEW_SHOT, RETRIEVAL, Arm

T = TypeVar("T")
LOOK_EVERY = 0.05
"""Seconds between looks at the memory."""


def token_columns(arms: Mapping[str, Arm]) -> dict[str, dict[str, list[int]]]:
    """Arm -> `prompt_tokens` and `answer_tokens`, one number per item; arms that write nothing are left out."""
    return {
        name: {
            "prompt_tokens": [asked for asked, _ in arm.tokens],
            "answer_tokens": [answered for _, answered in arm.tokens],
        }
        for name, arm in arms.items()
        if arm.tokens is not None
    }


def token_figures(columns: Mapping[str, Mapping[str, list[int]]]) -> dict[str, dict[str, Any]]:
    """`figures.cost`: arm -> `prompt_tokens` and `answer_tokens` (means), `answer_tokens_p95`, and `saved`: few-shot
    and retrieval, if they were asked -> how many prompt tokens fewer an answer of this arm takes (negative: more).
    """
    asked = {name: float(np.mean(arm["prompt_tokens"])) for name, arm in columns.items()}
    return {
        name: {
            "prompt_tokens": asked[name],
            "answer_tokens": float(np.mean(arm["answer_tokens"])),
            "answer_tokens_p95": float(np.percentile(arm["answer_tokens"], 95)),
            "saved": {other: asked[other] - asked[name] for other in (FEW_SHOT, RETRIEVAL) if other in asked},
        }
        for name, arm in columns.items()
    }


@dataclass(slots=True)
class Meter:
    """Seconds and memory of every arm while it is asked. Warming up is timed apart."""

    warm_up_seconds: float = 0.0
    spent: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Arm -> seconds, and the most bytes that the process held meanwhile."""

    def ask(self, arm: str, ask: Callable[[], T]) -> T:
        """Ask an arm with the clock running."""
        started = time.perf_counter()
        with _most_resident() as most:
            answers = ask()
        seconds, held = self.spent.get(arm, (0.0, 0))
        self.spent[arm] = seconds + time.perf_counter() - started, max(held, most())
        return answers

    def warm_up(self, ask: Callable[[], object]) -> None:
        """Do once, on no arm's account, what only the first answers pay for."""
        started = time.perf_counter()
        ask()
        self.warm_up_seconds += time.perf_counter() - started

    @property
    def seconds(self) -> float:
        """Of all arms, warming up included."""
        return self.warm_up_seconds + sum(seconds for seconds, _held in self.spent.values())

    def add(self, other: "Meter") -> None:
        """Add what another meter saw of the same arms."""
        self.warm_up_seconds += other.warm_up_seconds
        for name, (seconds, held) in other.spent.items():
            spent, most = self.spent.get(name, (0.0, 0))
            self.spent[name] = spent + seconds, max(most, held)

    def notes(self, *, items: int, price_per_hour: float | None) -> dict[str, Any]:
        """`arms` (arm -> `seconds`, `seconds_per_1000` answers, `cost_per_1000` at the price, `peak_resident_bytes`),
        `warm_up_seconds`, which they do not contain, `items` and `price_per_hour`; no price: costs are None.
        """
        arms = {}
        for name, (seconds, held) in self.spent.items():
            rate = 1000 * seconds / items
            cost = None if price_per_hour is None else round(rate / 3600 * price_per_hour, 6)
            told = {"seconds": round(seconds, 3), "seconds_per_1000": round(rate, 3), "cost_per_1000": cost}
            arms[name] = {**told, "peak_resident_bytes": held}
        return {
            "arms": arms,
            "warm_up_seconds": round(self.warm_up_seconds, 3),
            "items": items,
            "price_per_hour": price_per_hour,
        }


@contextmanager
def _most_resident() -> Iterator[Callable[[], int]]:
    """The most bytes that this process held inside the block, looked at now and then: the kernel's own mark would
    count what came before it.
    """
    most, ended = [resident()], threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_EVERY):
            most[0] = max(most[0], resident())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield lambda: max(most[0], resident())
    finally:
        ended.set()
        watcher.join()
