"""How often do we and others say that a model won, or lost, when nothing changed?

A/A exams of 30, 100 and 300 items, five from each document, right or wrong; the two models differ on 30 % of the items
and neither is better, and items of one document are alike (ICC 0, .2, .5). The same answers go to Luthier's rules, to
Soup's `soup ship` and to evalsig's `compare` and `gate`, each in an environment of its own. It holds if our false wins
stay under 2.5 % in every cell, plus 3 Monte-Carlo standard errors.
"""

import itertools
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench.evidence._grid import ALPHA, ICCS, error
from bench.evidence._trials import PER_DOCUMENT, Cell, latents
from bench.peers import peer_python
from bench.record import Asked, Outcome, run_bench, say

from luthier.evaluate.compare import bound_gain, compare_scores, sample_of
from luthier.evaluate.config import EvaluateConfig

ITEMS, PSI = (30, 100, 300), 0.3
RUNS, QUICK_RUNS = 1_000, 40
MARGIN, FORGOT_ALPHA = 0.03, 0.05
"""Of a loss on a suite of general tasks (evidence.md, section 6)."""
REQUIREMENTS = {"soup": ["soup-cli==0.77.0"], "evalsig": ["evalsig==0.1.2"]}
HERE = Path(__file__).parent
Rates = dict[str, dict[str, float]]
"""Who judges -> what was found -> share of the exams."""


def measure(asked: Asked) -> Outcome:
    """1,000 exams of each of nine kinds; the quick form has 40."""
    runs = QUICK_RUNS if asked.quick else RUNS
    random = np.random.default_rng(asked.seed)
    cells = [Cell(items // PER_DOCUMENT, icc, PSI) for items, icc in itertools.product(ITEMS, ICCS)]
    drawn = [_draw(cell, runs=runs, random=random) for cell in cells]
    judged = zip(*[[_ours(one) for one in drawn], *(_theirs(name, drawn) for name in REQUIREMENTS)], strict=True)
    tables = [{name: rates for each in row for name, rates in each.items()} for row in judged]
    for cell, table in zip(cells, tables, strict=True):
        say(f"{cell.documents * PER_DOCUMENT} items from {cell.documents} documents, ICC {cell.icc:g}")
        for name, rates in table.items():
            say(f"  {name:<26}" + ", ".join(f"{what} {100 * share:.1f} %" for what, share in rates.items()))
    worst = {
        what: {name: round(max(table[name][what] for table in tables), 4) for name in tables[0]}
        for what in ("win", "regression", "ship")
    }
    ours = worst["win"].pop("luthier")
    return Outcome(
        holds=ours <= ALPHA + error(ALPHA, runs),
        value=ours,
        bar=f"false wins <= {ALPHA:g} + 3 Monte-Carlo errors in every cell",
        peer=worst["win"],
        detail={
            "runs": runs,
            "worst": worst,
            "cells": [
                {"items": cell.documents * PER_DOCUMENT, "documents": cell.documents, "icc": cell.icc, **table}
                for cell, table in zip(cells, tables, strict=True)
            ],
        },
        versions={name: pins[0].partition("==")[2] for name, pins in REQUIREMENTS.items()},
    )


def _draw(cell: Cell, *, runs: int, random: np.random.Generator) -> dict[str, Any]:
    """Documents of the items, and of every exam the answers of both arms as a string of 0 (wrong) and 1 (right)."""
    low, high = cell.cuts(cell.rho)
    places = np.repeat(np.arange(cell.documents), cell.per_document)
    latent_RN = latents(cell, places, runs=runs, random=random)
    # Where the arms agree, both are right half the time; nobody's rule looks at that.
    agreed_RN = random.random(latent_RN.shape) < 0.5
    base_RN = np.where(latent_RN < low, True, np.where(latent_RN > high, False, agreed_RN))
    tuned_RN = np.where(latent_RN < low, False, np.where(latent_RN > high, True, agreed_RN))
    exams = [["".join(map(str, arm.astype(int))) for arm in arms] for arms in zip(base_RN, tuned_RN, strict=True)]
    return {"documents": [f"{place:03}" for place in places], "exams": exams}


def _ours(drawn: dict[str, Any]) -> Rates:
    """A win is the superiority gate; SHIP asks for a gain worth shipping too; a regression is FORGOT of one suite."""
    sample = sample_of(drawn["documents"], ["exam"] * len(drawn["documents"]), weights={"exam": 1.0})
    least = EvaluateConfig().minimum_effect
    win = regression = ship = 0
    for arms in drawn["exams"]:
        base, tuned = ([float(digit) for digit in arm] for arm in arms)
        gain = compare_scores(tuned, base, sample=sample, alpha=ALPHA, seed=0)
        won = gain["low"] > 0 and gain["p"] <= ALPHA
        win += won
        ship += won and gain["value"] >= least
        lost = bound_gain(tuned, base, sample=sample, alpha=FORGOT_ALPHA)
        regression += lost["value"] < -MARGIN and lost["high"] < 0
    count = len(drawn["exams"])
    return {"luthier": {"win": win / count, "regression": regression / count, "ship": ship / count}}


def _theirs(name: str, drawn: list[dict[str, Any]]) -> list[Rates]:
    python = peer_python(name, requirements=REQUIREMENTS[name])
    say(f"{name} judges")
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "exams.json", Path(folder) / "found.json"
        given.write_text(json.dumps(drawn), encoding="utf-8")
        subprocess.run([str(python), str(HERE / f"_peer_{name}.py"), str(given), str(found)], check=True)
        rates: list[Rates] = json.loads(found.read_text(encoding="utf-8"))
    return rates


if __name__ == "__main__":
    run_bench("evidence.peers", measure, about=__doc__)
