"""E3: does an exam of the planned size find what it was planned to find?

For 40 kinds of answers the planner says how many documents show a given gain 4 times in 5, and with what chance
(significant by both tests, and measured as at least the minimum effect). That many documents are simulated: the share
found must lie within 3 points of the chance printed, plus 3 Monte-Carlo standard errors.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from bench.evidence._grid import ALPHA, RUNS, error, try_each
from bench.evidence._trials import Cell, exams
from bench.record import Asked, Outcome, run_bench, say

from luthier.evaluate.statistics.power import Design, documents_to_see, power_of

WITHIN, MINIMUM_EFFECT = 0.03, 0.02
QUICK_RUNS = 1_000


def measure(asked: Asked) -> Outcome:
    """All cells; the quick form has four of them and fewer exams."""
    runs = QUICK_RUNS if asked.quick else RUNS
    cells = list(planned())[:: 10 if asked.quick else 1]

    def found(cell: Cell, random: np.random.Generator) -> float:
        blocks = exams(cell, runs=runs, random=random)
        shipped = (block.significant(ALPHA) & (block.value_R >= MINIMUM_EFFECT) for block in blocks)
        return sum(int(each.sum()) for each in shipped) / runs

    shares = try_each(cells, found, seed=asked.seed)
    rows = []
    for cell, share in zip(cells, shares, strict=True):
        design = Design(cell.documents, cell.per_document, cell.psi, cell.icc)
        printed = power_of(design, cell.gain, alpha=ALPHA, minimum_effect=MINIMUM_EFFECT)
        rows.append([*cell.words()[:3], cell.per_document, cell.gain, round(printed, 4), round(share, 4)])
    far = [row for row in rows if abs(row[-1] - row[-2]) > WITHIN + error(row[-2], runs)]
    worst = max(abs(row[-1] - row[-2]) for row in rows)
    say(f"found and foretold differ by {worst:.4f} at most in {len(rows)} cells")
    return Outcome(
        holds=not far,
        value=round(worst, 4),
        bar="power found within .03 of the power printed, + 3 Monte-Carlo errors",
        detail={"runs": runs, "far": far, "cells": rows},
    )


def planned() -> Iterator[Cell]:
    """40 kinds of answers, each with the number of documents that the planner asks for."""
    kinds = [(0.1, 0.05), (0.2, 0.08), (0.3, 0.05), (0.3, 0.1), (0.4, 0.15)]
    for per_document, icc, (psi, gain) in itertools.product((2, 5), (0.0, 0.1, 0.2, 0.4), kinds):
        documents = documents_to_see(
            gain, per_document=per_document, psi=psi, icc=icc, alpha=ALPHA, minimum_effect=MINIMUM_EFFECT
        )
        assert documents is not None
        yield Cell(documents, icc, psi, gain=gain, per_document=per_document)


if __name__ == "__main__":
    run_bench("evidence.e3", measure, about=__doc__)
