"""T6: `kill -9` in 1,000 runs, at random moments and at every named point of the commit; is one of them lost?

Tiny models in processes that are forked from one that has loaded everything. A third of the kills falls at any moment
of the run, a third in a phase drawn at random (both from outside), a third at a named point. A run that was killed goes
on, may be killed again, and at its end is compared with an unbroken run: the model folder, and in the last checkpoint
weights, optimizer, random state and history.
"""

import os
import tempfile
import time
from pathlib import Path

from bench.engine._faults import so_far
from bench.record import Asked, Outcome, run_bench, say
from kills import Tally, kill_many
from phases import PHASES
from tiny_runs import Server, make_site
from trouble import OTHER_POINTS, POINTS

RUNS = 1000
MEMORY = Path("/dev/shm")
"""A kill leaves what was written, synced or not, so the runs lie in memory where they can."""


def measure(asked: Asked) -> Outcome:
    """1,000 broken runs; 20 in the quick form."""
    began = time.monotonic()
    wanted = 20 if asked.quick else RUNS

    def tell(tally: Tally) -> None:
        if tally.runs % max(1, wanted // 40) == 0:
            lost = "; ".join(tally.lost) or "none"
            say(f"runs broken: {so_far(tally.runs, wanted, began)}; {tally.kills} kills; lost: {lost}")

    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="luthier-t6-") as folder:
        servers = [Server(Path(folder) / f"server-{number}") for number in range(len(os.sched_getaffinity(0)))]
        site = make_site(Path(folder) / "site")
        whole = servers[0].run(site, "whole")
        if whole.code != 0:
            raise RuntimeError(f"the unbroken run failed: {whole.told}")
        tally = kill_many(servers, site, runs=wanted, seed=asked.seed, tell=tell)
        for server in servers:
            server.close()
    for name in PHASES:
        say(f"killed while {name}: {tally.phases[name]}")
    missed = [name for name in (*POINTS, *OTHER_POINTS) if not tally.points[name]]
    say(f"killed at named points: {sum(tally.points.values())}; never at: {', '.join(missed) or 'none'}")
    for line in tally.lost:
        say(f"LOST {line}")
    return Outcome(
        holds=not tally.lost and tally.runs >= wanted and (asked.quick or not missed),
        value={"lost": len(tally.lost), "runs": tally.runs, "kills": tally.kills},
        bar=f"0 of {wanted:,} runs lost, final weights equal bit for bit",
        detail={
            "phases": tally.phases,
            "points": tally.points,
            "lost": tally.lost,
            "seconds": round(time.monotonic() - began, 1),
        },
    )


if __name__ == "__main__":
    run_bench("engine.t6", measure, about=__doc__)
