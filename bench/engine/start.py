"""How long from typing `luthier train` to the first step on the screen, everything cached and prepared?

The medical coding example, `luthier train` as a person runs it: on a terminal, a new process, nothing trained yet. The
first step counts when the bar shows its loss. The median of five; each has run once before to warm the disk's cache.
"""

import os
import pty
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.record import ROOT, Asked, Outcome, run_bench, say
from bench.runs import DEMO, Child, run_words, warm

SECONDS = 8.0
TIMES = 5
LIMIT = 120.0
"""Seconds after which a run that shows no step has failed."""
STEP = re.compile(rb"loss \d")


def measure(asked: Asked) -> Outcome:
    """Prepare the example once, then start training again and again; twice in the quick form."""
    warm("smollm2-135m")
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        for stage in ("collect", "prepare"):
            say(f"{stage}")
            Child(stage, *run_words(DEMO, out=runs)[1:]).wait().result()
        took = [first_step(runs, seed=asked.seed) for _ in range(1 + (2 if asked.quick else TIMES))][1:]
    median = statistics.median(took)
    return Outcome(
        holds=median <= SECONDS,
        value={"seconds": round(median, 2)},
        bar=f"<= {SECONDS:.0f} s",
        detail={"runs": [round(each, 2) for each in took]},
    )


def first_step(runs: Path, *, seed: int) -> float:
    """Seconds until the first step shows; training is ended then, and what it made is taken away."""
    words = ["train", str(DEMO), "--out", str(runs), "--set", f"train.seed={seed}"]
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "luthier.cli.main", *words],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        seconds = _until_step(ours, began)
    finally:
        child.kill()
        child.wait()
        os.close(ours)
        for made in runs.glob("*/training"):
            shutil.rmtree(made)
    say(f"first step after {seconds:.2f} s")
    return seconds


def _until_step(terminal: int, began: float) -> float:
    shown = b""
    while STEP.search(shown) is None:
        left = began + LIMIT - time.perf_counter()
        ready = left > 0 and select.select([terminal], [], [], left)[0]
        try:
            part = os.read(terminal, 4096) if ready else b""
        except OSError:  # the program has ended
            part = b""
        if not part:
            raise RuntimeError(f"no step was shown:\n{shown.decode(errors='replace')[-2000:]}")
        shown += part
    return time.perf_counter() - began


if __name__ == "__main__":
    run_bench("engine.start", measure, about=__doc__)
