"""E5: do real runs that cannot have helped ever end in SHIP?

A two-layer model goes through prepare, train and evaluate: 20 times with learning rate 0, 20 times with answers that
were dealt anew over the questions, and 10 times two seeds of a training that does help stand against each other, the
first in the place of the base. No SHIP of 50. Finished runs are kept in `bench/runs`: run again to go on.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench.evidence._tiny import any_colour, by_rule, evidence, kept_run, write_taught_base
from bench.record import Asked, Outcome, run_bench, say

from luthier.evaluate.decide import conclude

RUNS = {"rate 0": 20, "shuffled answers": 20, "seed against seed": 10}
QUICK_RUNS = dict.fromkeys(RUNS, 1)
TRAIN = {"epochs": 8.0, "learning_rate": 0.01}


def measure(asked: Asked) -> Outcome:
    """50 runs; the quick form has one of each kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = write_taught_base(Path(folder) / "base")
        for name, count in (QUICK_RUNS if asked.quick else RUNS).items():
            found[name] = []
            for place in range(count):
                seed = 1_000 * asked.seed + place
                make = partial(_run, name, Path(folder) / name / str(place), base=base, seed=seed)
                found[name].append(kept_run("e5", name, seed, make))
                say(f"{name}, {place + 1} of {count}: {found[name][-1]}")
    ships = {name: sum(each["verdict"] == "SHIP" for each in runs) for name, runs in found.items()}
    count = sum(map(len, found.values()))
    return Outcome(holds=not any(ships.values()), value=ships, bar=f"0 SHIP of {count}", detail=found)


def _run(name: str, folder: Path, *, base: Path, seed: int) -> dict[str, Any]:
    match name:
        case "rate 0":
            return evidence(folder, by_rule, base=base, seed=seed, train={"epochs": 1.0, "learning_rate": 0.0})
        case "shuffled answers":
            return evidence(folder, any_colour, base=base, seed=seed, train=TRAIN)
        case _:
            one, other = (
                evidence(folder, by_rule, base=base, seed=seed, train={**TRAIN, "seed": 2 * seed + turn})
                for turn in (0, 1)
            )
            return _against(one, other)


def _against(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The second run's evidence with the first run's tuned model in the place of the base, as a first look."""
    assert one["items"] == other["items"], "one exam"
    scores = {**other["scores"], "base": one["scores"]["tuned"]}
    likelihood = {
        name: {**columns, "base_nats": one["likelihood"][name]["tuned_nats"]}
        for name, columns in other["likelihood"].items()
    }
    record = {**other, "look": one["look"], "scores": scores, "likelihood": likelihood}
    return {**record, **conclude(record)}


if __name__ == "__main__":
    run_bench("evidence.e5", measure, about=__doc__)
