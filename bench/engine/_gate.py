"""A training loop in a process of its own that takes one step when the bench says so. Needs nothing but Python.

The bench writes a line to its standard input for every step; the loop answers with JSON objects, one a line:
`{"event": "ready" | "step" | "end", ...}`. Whatever else the loop prints goes to standard error.
"""

import json
import os
import sys
import time
from pathlib import Path


class Gate:
    """The loop's side."""

    def __init__(self):
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._began = 0.0

    def ready(self, **facts):
        """Say that everything but the steps is done."""
        self._say("ready", **facts)

    def wait(self):
        """Wait until the next step may begin."""
        if not sys.stdin.readline():
            raise SystemExit("the bench has gone")
        self._began = time.perf_counter()

    def done(self, *, tokens, **facts):
        """Say that the step is done, and how many real tokens it learnt from."""
        self._say("step", tokens=tokens, seconds=time.perf_counter() - self._began, peak=peak_memory(), **facts)

    def end(self, **facts):
        """Say that there is no step left and that the result is saved."""
        self._say("end", **facts)

    def _say(self, event, **facts):
        print(json.dumps({"event": event, **facts}), file=self._answers, flush=True)


def peak_memory():
    """Largest resident memory of this process so far in bytes.

    The kernel's `VmHWM` starts anew with the program; `ru_maxrss` would count the bench that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
