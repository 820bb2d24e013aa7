"""Metrics for other tools: each in a thread of its own behind a bounded queue, so that none can stop or slow a run.

A tracker is an entry point of the group `luthier.trackers`: a function that takes a `Run` and returns a `Tracker`.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any, Protocol

from luthier.errors import UserError

GROUP = "luthier.trackers"
WAITING = 1000
"""Points that may wait for a tracker; one that is further behind is given up."""
GRACE = 5.0
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
Load = Callable[[], Open]


class Feed:
    """One tracker behind its queue. Whatever goes wrong there ends in `trouble`."""

    def __init__(self, name: str, load: Load, run: Run) -> None:
        self.name = name
        self.trouble: str | None = None
        self._queue: Queue[tuple[int, dict[str, float]] | None] = Queue(maxsize=WAITING)
        self._thread = Thread(target=self._work, args=(load, run), name=f"tracker {name}", daemon=True)
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

    def _enqueue(self, what: tuple[int, dict[str, float]] | None) -> None:
        try:
            self._queue.put_nowait(what)
        except Full:
            self.trouble = f"did not keep up: {WAITING:,} points were waiting for it"

    def _work(self, load: Load, run: Run) -> None:
        try:
            tracker = load()(run)
            while (item := self._queue.get()) is not None:
                tracker.log(*item)
            tracker.close()
        except ModuleNotFoundError as error:
            self.trouble = f"needs '{error.name}', which is not installed: pip install 'luthier[{self.name}]'"
        except BaseException as error:  # a tracker that calls sys.exit must not go unnoticed, either
            self.trouble = f"{type(error).__name__}: {error}"


def find_trackers(names: Sequence[str]) -> dict[str, Load]:
    """The named trackers; UserError names those that exist."""
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    missing = [name for name in names if name not in known]
    if missing:
        there = ", ".join(sorted(known)) or "none"
        raise UserError(f"train.track: there is no tracker '{missing[0]}'. Installed: {there}")
    return {name: known[name].load for name in names}
