"""One thread that owns the engine: requests are worked off one at a time, in order of arrival."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from luthier.errors import LuthierError

T = TypeVar("T")
WAITING_ROOM = 256
"""Requests that may wait; more are turned away."""


class BusyError(LuthierError):
    """The waiting room is full; trying again later helps."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """End of a job's items, with the error that ended it, if any."""

    error: Exception | None


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[[], Iterator[T]]
    loop: asyncio.AbstractEventLoop
    items: "asyncio.Queue[T | _Ended]" = field(default_factory=asyncio.Queue)
    gone: threading.Event = field(default_factory=threading.Event)

    def post(self, item: "T | _Ended") -> None:
        # A loop that closed has nobody left to tell.
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.items.put_nowait, item)


class Items(Generic[T]):
    """Items of queued work, as they come; closing aborts the work at its next item."""

    def __init__(self, job: _Job[T]) -> None:
        self._job = job

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = await self._job.items.get()
        if not isinstance(item, _Ended):
            return item
        raise item.error or StopAsyncIteration

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        self._job.gone.set()


class Worker:
    """Runs iterators on its own thread and hands their items to async callers."""

    def __init__(self, *, waiting_room: int = WAITING_ROOM) -> None:
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue(maxsize=waiting_room)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def each(self, work: Callable[[], Iterator[T]]) -> Items[T]:
        """Queue `work` and hand out its items as they come. BusyError if too many wait."""
        job: _Job[T] = _Job(work=work, loop=asyncio.get_running_loop())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise BusyError("too many requests are waiting; try again in a moment") from None
        return Items(job)

    def close(self) -> None:
        """Abort what runs, drop what waits, and wait for the thread."""
        self._closed.set()
        self._jobs.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._closed.is_set():
                job.post(_Ended(_stopping()))
            elif not job.gone.is_set():
                job.post(_Ended(self._work_off(job)))

    def _work_off(self, job: _Job[Any]) -> Exception | None:
        items: Iterator[Any] = iter(())
        try:
            items = job.work()
            for item in items:
                if job.gone.is_set():
                    return None
                if self._closed.is_set():
                    return _stopping()
                job.post(item)
        except Exception as error:  # handed to the caller, who raises it
            return error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        return None


def _stopping() -> BusyError:
    return BusyError("the server is stopping; what was written so far is not the whole answer")
