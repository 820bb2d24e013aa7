"""Metrics for other tools: each in a process of its own behind a bounded queue, so that none can stop or slow a run,
nor keep its process from ending.

A tracker is an entry point of the group `luthier.trackers`: a function that takes a `Run` and returns a `Tracker`.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any, Protocol

import orjson

from luthier.errors import UserError

GROUP = "luthier.trackers"
WAITING = 1000
"""Points that may wait for a tracker; one that is further behind is given up."""
GRACE = 30.0
"""Seconds that the end of a run waits for its trackers, all together."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a tracker is told of a training: nothing secret, no paths but the folder it may write to."""

    id: str
    """The same when the run goes on."""
    name: str
    folder: Path
    settings: Mapping[str, str | int | float | bool]


class Tracker(Protocol):
    """Another tool's record of a run."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point of the curve."""

    def close(self) -> None:
        """End in good order."""


Open = Callable[[Run], Tracker]
"""What an entry point gives."""


class Feed:
    """One tracker in its process, behind its queue. Whatever goes wrong there ends in `trouble`."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self.trouble: str | None = None
        self._queue: Queue[tuple[int, dict[str, float]] | None] = Queue(maxsize=WAITING)
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "luthier.train.trackers", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C is for the run, which then ends its trackers in good order
        )
        self._thread = Thread(target=self._work, args=(run,), name=f"tracker {name}", daemon=True)
        self._thread.start()

    def put(self, point: Mapping[str, Any]) -> None:
        """Hand a point over, at once."""
        numbers = {name: float(value) for name, value in point.items() if isinstance(value, int | float)}
        step = int(numbers.pop("step"))
        self._enqueue((step, {name: value for name, value in numbers.items() if math.isfinite(value)}))

    def end(self) -> None:
        """Say that nothing follows."""
        self._enqueue(None)

    def wait(self, until: float) -> None:
        """Let it finish until this moment of the monotonic clock."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive() and self.trouble is None:
            self.trouble = f"was not done {GRACE:g} seconds after the run"

    def stop(self) -> None:
        """Kill it, with what it started, if it has not ended."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self._thread.join(1.0)

    def _enqueue(self, what: tuple[int, dict[str, float]] | None) -> None:
        try:
            self._queue.put_nowait(what)
        except Full:
            self.trouble = f"did not keep up: {WAITING:,} points were waiting for it"

    def _work(self, run: Run) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with suppress(BrokenPipeError), self._child.stdin as pipe:
            pipe.write(_line({**asdict(run), "folder": str(run.folder)}))
            while (item := self._queue.get()) is not None:
                pipe.write(_line(item))
                pipe.flush()
        with self._child.stdout as voice:
            told = voice.read().decode("utf-8", errors="replace")
        code = self._child.wait()
        if self.trouble is None and (told or code):
            self.trouble = told or f"ended with {code}"


def find_trackers(names: Sequence[str]) -> list[str]:
    """The same names, if there is a tracker of each; UserError names those that exist."""
    known = {entry.name for entry in entry_points(group=GROUP)}
    missing = [name for name in names if name not in known]
    if missing:
        there = ", ".join(sorted(known)) or "none"
        raise UserError(f"train.track: there is no tracker '{missing[0]}'. Installed: {there}")
    return list(names)


def _line(content: Any) -> bytes:
    return orjson.dumps(content) + b"\n"
