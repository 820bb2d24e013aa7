"""Ctrl-C and SIGTERM while training: the first asks, the second insists."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """The signal that asked to stop, or None."""

    number: int | None = None


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
