"""A program that works on a cluster of its own, and stops on SIGTERM as the command line does: store, log, seconds."""

import signal
import sys
from pathlib import Path
from types import FrameType

from shard_work import Write, tasks

from luthier.compute.cluster import Cluster
from luthier.compute.shards import run_shards
from luthier.errors import StoppedError


def stop(number: int, frame: FrameType | None) -> None:
    raise StoppedError("stopped on request", signal_number=number)


if __name__ == "__main__":
    store, log, seconds = sys.argv[1:]
    signal.signal(signal.SIGTERM, stop)
    try:
        run_shards(Write(Path(log), float(seconds)), tasks(4), store=Path(store), executor=Cluster("auto"))
    except StoppedError as error:
        sys.exit(error.exit_code)
