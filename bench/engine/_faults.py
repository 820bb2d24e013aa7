"""Where the fault harness lies: `tests/faults`, and the tiny runs that it breaks."""

import sys
import time

from bench.record import ROOT

sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "unit" / "train")]


def so_far(done: int, of: int, began: float) -> str:
    """How far a bench is, and how long the rest will take; `began` is a time of the monotonic clock, in seconds."""
    seconds = time.monotonic() - began
    return f"{done} of {of} in {seconds:.0f} s, about {seconds / max(1, done) * (of - done):.0f} s left"
