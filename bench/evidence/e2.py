"""E2: do the 95 % intervals hold the true gain?

The exams of E1 with a true gain of 0 and of a third of the differing items: coverage at least .94 in every kind, and at
most .97 where documents are of one size and 10 or more differ. Macro-F1 and span F1 of 10, 20 and 40 documents, with
jack-knife bounds where they are given: at least .92. Limits get 3 Monte-Carlo standard errors.
"""

import itertools

import numpy as np
from bench.evidence._corpora import METRICS, Corpora, covered
from bench.evidence._grid import ALPHA, QUICK, RUNS, error, grid, try_each
from bench.evidence._trials import Cell, exams
from bench.record import Asked, Outcome, run_bench, say

from luthier.evaluate.compare import FEW

LEAST, MOST, CORPUS_LEAST = 0.94, 0.97, 0.92
NEARLY_ALL = 0.99
"""Share of a cell's exams with 10 differing documents from which on the upper limit is asked of it."""
CORPUS_RUNS = 5_000


def measure(asked: Asked) -> Outcome:
    """All cells; the quick form has their corners and few exams."""
    runs = QUICK if asked.quick else RUNS

    def cover(cell: Cell, random: np.random.Generator) -> tuple[float, float]:
        held = plenty = 0
        for block in exams(cell, runs=runs, random=random):
            low_R, high_R = block.bounds(ALPHA, around=cell.gain)
            held += int(((low_R <= cell.gain) & (cell.gain <= high_R)).sum())
            plenty += int((block.differing_R >= FEW).sum())
        return held / runs, plenty / runs

    cells = list(grid(asked, gains=(0.0, 1 / 3)))
    rates = try_each(cells, cover, seed=asked.seed)
    rows = [
        [*cell.words(), round(cell.gain, 4), round(rate, 4), round(plenty, 4)]
        for cell, (rate, plenty) in zip(cells, rates, strict=True)
    ]
    outside = [row for row in rows if row[-2] < LEAST - error(LEAST, runs)]
    full = [row for row in rows if row[3] == "equal" and row[-1] >= NEARLY_ALL]
    outside += [row for row in full if row[-2] > MOST + error(MOST, runs)]
    value = {"lowest": min(row[-2] for row in rows), "highest": max((row[-2] for row in full), default=None)}
    say(f"coverage {value['lowest']} to {value['highest']} in {len(cells)} cells")
    corpora = _corpora(asked)
    outside += [row for row in corpora if row[-2] < CORPUS_LEAST - error(CORPUS_LEAST, row[-1])]
    value["lowest, corpus metrics"] = min(row[-2] for row in corpora)
    return Outcome(
        holds=not outside,
        value=value,
        bar="coverage >= .94 in every cell, <= .97 with equal sizes and >= 10 differing documents, "
        "corpus metrics >= .92, each with 3 Monte-Carlo errors",
        detail={"runs": runs, "outside": outside, "items": rows, "corpus": corpora},
    )


def _corpora(asked: Asked) -> list[list[object]]:
    """Metric, documents, true gain, coverage of the intervals that were given, and how many were."""
    documents = (10, 20) if asked.quick else (10, 20, 40)
    rows = []
    for place, (metric, many, better) in enumerate(itertools.product(METRICS, documents, (0.0, 0.1))):
        random = np.random.default_rng([asked.seed, 1, place])
        runs = QUICK if asked.quick else CORPUS_RUNS
        share, given, truth = covered(metric, Corpora(many, better=better), runs=runs, random=random)
        rows.append([metric, many, round(truth, 4), round(share, 4), given])
        say(f"{metric}, {many} documents, gain {truth:.3f}: coverage {share:.4f} of {given} intervals")
    return rows


if __name__ == "__main__":
    run_bench("evidence.e2", measure, about=__doc__)
