"""Run by D3: Parquet files to kept ids with two workers; the last line tells the memory of all processes."""

import json
import resource
import sys
from pathlib import Path

WORKERS = 2

if __name__ == "__main__":
    # Here, as in the command line: workers read this file too and need none of it.
    from luthier.compute.shards import Processes
    from luthier.prepare.dedup.files import drop_near_copies

    drop_near_copies(Path(sys.argv[1]), out=Path(sys.argv[2]), executor=Processes(WORKERS))
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"gib": (own + WORKERS * child) / 2**20}))
