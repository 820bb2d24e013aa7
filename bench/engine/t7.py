"""T7: runs of every objective, method, number of micro-batches and layout, killed at every kind of step: all equal?

Tiny models. Each run is killed after its first, a middle or its last step, with a checkpoint after every step or with
few, goes on, and is compared with an unbroken one: the model folder, weights, optimizer, random state and history in
the last checkpoint, and the rows of every step.
"""

import itertools
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.engine._faults import so_far
from bench.record import Asked, Outcome, run_bench, say
from matrix import BREAKS, Lab, cases, check_all
from tiny_runs import Server


def measure(asked: Asked) -> Outcome:
    """All cases; every ninth in the quick form."""
    began, chosen = time.monotonic(), list(cases())[(asked.seed % 9 if asked.quick else 0) :: 9 if asked.quick else 1]
    with tempfile.TemporaryDirectory(prefix="luthier-t7-") as folder:
        count = len(os.sched_getaffinity(0))
        labs = [Lab(Server(Path(folder) / f"server-{one}"), Path(folder) / f"sites-{one}") for one in range(count)]
        parts = [chosen[one::count] for one in range(count)]
        done = itertools.count(1)

        def tell(line: str) -> None:
            say(f"{so_far(next(done), len(chosen), began)}: {line}")

        with ThreadPoolExecutor(count) as pool:
            wrong = [line for found in pool.map(partial(check_all, tell=tell), labs, parts) for line in found]
        for lab in labs:
            lab.server.close()
    runs = len(chosen) * len(BREAKS)
    return Outcome(
        holds=not wrong,
        value={"equal": runs - len(wrong), "runs": runs, "cases": len(chosen)},
        bar="100 % equal bit for bit",
        detail={"wrong": wrong, "cases": [str(case) for case in chosen], "seconds": round(time.monotonic() - began, 1)},
    )


if __name__ == "__main__":
    run_bench("engine.t7", measure, about=__doc__)
