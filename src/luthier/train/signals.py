"""Ctrl-C and SIGTERM while training: the first asks, the second insists."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

LOOK_EVERY = 0.2
"""Seconds between looks for a signal while waiting."""


@dataclass(slots=True)
class StopRequest:
    """The signal that asked to stop, or None."""

    number: int | None = None

    def wait(self, seconds: float) -> None:
        """Let time pass, until somebody asks to stop."""
        looks = 0
        while self.number is None and looks * LOOK_EVERY < seconds:
            time.sleep(min(LOOK_EVERY, seconds))
            looks += 1


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Collect the first SIGINT or SIGTERM; hand a second one to whoever handled them before."""
    request = StopRequest()
    watched = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {number: signal.getsignal(number) for number in watched}

        def ask(number: int, _frame: FrameType | None) -> None:
            request.number = number
            for each, handler in before.items():
                signal.signal(each, handler)

        for number in watched:
            signal.signal(number, ask)
    except ValueError:  # not the main thread: the caller's handlers stay
        yield request
        return
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
