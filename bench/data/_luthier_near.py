"""Run by D3 and D4: Parquet files to kept ids, with some processes or on a cluster that loses a machine.

The last line tells the memory and the processor time of all processes, and the shards that were found done.
"""

import json
import resource
import sys
from pathlib import Path

# Workers read this file too and need little of it: what is heavy is imported by its one user.


def run(source: Path, out: Path, workers: int) -> None:
    """With `workers` processes; 0: on a cluster."""
    from luthier.compute.shards import HERE, Processes
    from luthier.prepare.dedup.files import drop_near_copies

    ticks: list[int] = []
    if workers:
        executor = HERE if workers == 1 else Processes(workers)
        drop_near_copies(source, out=out, executor=executor, listener=lambda tick: ticks.append(tick.done))
    else:
        from bench.data._raylets import losing_one

        with losing_one() as (cluster, listener):
            drop_near_copies(source, out=out, executor=cluster, listener=listener)
    own, child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    told = {
        "gib": (own.ru_maxrss + (workers > 1) * workers * child.ru_maxrss) / 2**20,
        "cpu": own.ru_utime + own.ru_stime + child.ru_utime + child.ru_stime,
        "found": ticks[0] if ticks else None,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
