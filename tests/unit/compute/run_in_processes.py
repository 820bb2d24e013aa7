"""A program to be killed: store, log, workers, shards, seconds per shard."""

import sys
from pathlib import Path

from shard_work import Write, tasks

from luthier.compute.shards import Processes, run_shards

if __name__ == "__main__":
    store, log, count, shards, seconds = sys.argv[1:]
    run_shards(Write(Path(log), float(seconds)), tasks(int(shards)), store=Path(store), executor=Processes(int(count)))
