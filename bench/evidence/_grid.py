"""The kinds of exams that E1 and E2 try, and how their rates are held against a limit."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from bench.evidence._trials import Cell
from bench.record import Asked, say

ALPHA = 0.025
RUNS = 20_000
DOCUMENTS, ICCS, PSIS = (6, 10, 20, 40, 100), (0.0, 0.2, 0.5), (0.05, 0.1, 0.2, 0.3, 0.4)
QUICK = 400


def grid(asked: Asked, *, gains: tuple[float, ...] = (0.0,), skewed: bool = False) -> Iterator[Cell]:
    """Every cell; the quick form has the corners. `gains` are shares of psi."""
    documents, iccs, psis = ((6, 20), (0.0, 0.5), (0.05, 0.4)) if asked.quick else (DOCUMENTS, ICCS, PSIS)
    for many, icc, psi, gain in itertools.product(documents, iccs, psis, gains):
        sizes = ("equal", "uneven", "tasks") if many >= 20 else ("equal", "uneven")
        # Without an effect of documents there is nothing to be skewed.
        for form in sizes if icc or not skewed else ():
            yield Cell(many, icc, psi, form, skewed=skewed, gain=gain * psi)


def try_each(cells: list[Cell], measure: Callable[[Cell, np.random.Generator], Any], *, seed: int) -> list[Any]:
    """Measure every cell with random numbers of its own, telling how far it is."""
    found, began = [], time.monotonic()
    for place, cell in enumerate(cells):
        found.append(measure(cell, np.random.default_rng([seed, place])))
        if time.monotonic() - began > 20:
            say(f"{place + 1} of {len(cells)} cells; the last, {cell.words()}: {found[-1]}")
            began = time.monotonic()
    return found


def error(share: float, runs: int) -> float:
    """Three Monte-Carlo standard errors of a share."""
    return 3 * math.sqrt(share * (1 - share) / max(runs, 1))
