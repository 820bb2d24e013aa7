"""E6: do real runs that helped end in SHIP, and runs that recite in OVERFIT or DON'T SHIP?

A two-layer model goes through prepare, train and evaluate, 50 times on answers that follow a rule and 50 times on
answers that follow from nothing and can only be learnt by heart. SHIP in 45 or more of the first, OVERFIT or DON'T SHIP
in 48 or more of the second. Finished runs are kept in `bench/runs`: run again to go on.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench.evidence._tiny import any_letters, by_rule, evidence, kept_run, write_taught_base
from bench.record import Asked, Outcome, run_bench, say

RUNS, QUICK_RUNS = 50, 2
LEAST_SHIPPED, LEAST_REFUSED = 0.9, 0.96
KINDS = {
    "a rule to learn": (by_rule, {"epochs": 8.0, "learning_rate": 0.01}),
    "answers to recite": (any_letters, {"epochs": 40.0, "learning_rate": 0.01}),
}


def measure(asked: Asked) -> Outcome:
    """100 runs; the quick form has two of each kind."""
    count = QUICK_RUNS if asked.quick else RUNS
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = write_taught_base(Path(folder) / "base")
        for name, (answer, train) in KINDS.items():
            found[name] = []
            for place in range(count):
                seed = 1_000 * asked.seed + place
                place_of = Path(folder) / name / str(place)
                make = partial(evidence, place_of, answer, base=base, seed=seed, train=train)
                found[name].append(kept_run("e6", name, seed, make))
                say(f"{name}, {place + 1} of {count}: {found[name][-1]}")
    shipped = sum(each["verdict"] == "SHIP" for each in found["a rule to learn"])
    refused = sum(_refused(each) for each in found["answers to recite"])
    return Outcome(
        holds=shipped >= LEAST_SHIPPED * count and refused >= LEAST_REFUSED * count,
        value={"shipped": shipped, "refused": refused},
        bar=f"shipped >= {LEAST_SHIPPED * count:g}, refused >= {LEAST_REFUSED * count:g} of {count}",
        detail=found,
    )


def _refused(run: dict[str, Any]) -> bool:
    return run["verdict"] == "DON'T SHIP" or run["states"]["overfit"] == "OVERFIT"


if __name__ == "__main__":
    run_bench("evidence.e6", measure, about=__doc__)
