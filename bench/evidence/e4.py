"""E4: may an exam be watched while it is answered?

100 documents of 5 items, looked at 20 times; the models differ on a fifth of the items. Without a true gain the
e-process may ever stop in 2.5 % of exams, plus 3 Monte-Carlo standard errors; with a true gain of 15 points it stops
after a third of the 500 items or less, on average. Both are asked of independent items and of items of one document
that are alike (ICC .2). Looking 20 times at the ordinary test is shown beside them.
"""

import numpy as np
from bench.evidence._grid import ALPHA, RUNS, error
from bench.evidence._trials import Cell, exams
from bench.record import Asked, Outcome, run_bench, say
from scipy.stats import t as student

from luthier.evaluate.statistics.sequential import Betting, bet

DOCUMENTS, LOOKS, PSI, GAIN = 100, 20, 0.2, 0.15
QUICK_RUNS = 300
TIMES_FEWER = 3.0


def measure(asked: Asked) -> Outcome:
    """20,000 exams of each kind; the quick form has 300."""
    runs = QUICK_RUNS if asked.quick else RUNS
    random = np.random.default_rng(asked.seed)
    found = {icc: _both(icc, runs=runs, random=random) for icc in (0.0, 0.2)}
    return Outcome(
        holds=all(
            each["false_stops"] <= ALPHA + error(ALPHA, runs) and each["items"] <= 500 / TIMES_FEWER
            for each in found.values()
        ),
        value={"independent items": found[0.0], "alike within documents, ICC .2": found[0.2]},
        bar=f"both: false stops <= {ALPHA:g} + 3 Monte-Carlo errors; items <= 500 / {TIMES_FEWER:g}",
        detail={"runs": runs},
    )


def _both(icc: float, *, runs: int, random: np.random.Generator) -> dict[str, float]:
    """Exams with nothing to find, and exams with a gain of 15 points."""
    nothing, peeked = watched(Cell(DOCUMENTS, icc, PSI), runs=runs, random=random)
    something, _ = watched(Cell(DOCUMENTS, icc, PSI, gain=GAIN), runs=runs, random=random)
    found = {
        "false_stops": round(float(np.mean([each.stopped for each in nothing])), 5),
        "false_stops_of_the_ordinary_test": round(peeked, 5),
        "power": round(float(np.mean([each.stopped for each in something])), 5),
        "items": round(500 * float(np.mean([each.documents for each in something])) / DOCUMENTS, 1),
    }
    say(f"ICC {icc:g}: {found}")
    return found


def watched(cell: Cell, *, runs: int, random: np.random.Generator) -> tuple[list[Betting], float]:
    """Where each exam stopped, and the share in which a t-test at some look would have found a win."""
    looks = range(DOCUMENTS // LOOKS, DOCUMENTS + 1, DOCUMENTS // LOOKS)
    bets, peeked = [], 0
    for block in exams(cell, runs=runs, random=random):
        shares_RG = block.sums.shares
        bets += [bet(shares_G, looks=looks, alpha=ALPHA) for shares_G in shares_RG]
        found_R = np.zeros(len(shares_RG), dtype=bool)
        for seen in looks:
            part = shares_RG[:, :seen]
            se_R = part.std(axis=1, ddof=1) / np.sqrt(seen)
            found_R |= part.mean(axis=1) > student.ppf(1 - ALPHA, seen - 1) * se_R
        peeked += int(found_R.sum())
    return bets, peeked / runs


if __name__ == "__main__":
    run_bench("evidence.e4", measure, about=__doc__)
