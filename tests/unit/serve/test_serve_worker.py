import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from luthier.serve.worker import BusyError, Worker


def test_requests_are_answered_one_at_a_time_in_order() -> None:
    worker, running, most, order = Worker(), [], [], []

    def work(name: int) -> Iterator[int]:
        running.append(name)
        most.append(len(running))
        order.append(name)
        time.sleep(0.01)
        yield name
        running.remove(name)

    async def all_of_them() -> list[list[int]]:
        queued = [worker.each(lambda name=name: work(name)) for name in range(5)]
        return [[item async for item in items] for items in queued]

    assert asyncio.run(all_of_them()) == [[0], [1], [2], [3], [4]]
    assert (max(most), order) == (1, [0, 1, 2, 3, 4])
    worker.close()


def test_leaving_early_aborts_the_work() -> None:
    worker, closed = Worker(), threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                time.sleep(0.001)
                yield 1
        finally:
            closed.set()

    async def take_one() -> None:
        async with aclosing(worker.each(endless)) as items:
            async for _ in items:
                break

    asyncio.run(take_one())
    assert closed.wait(5)
    worker.close()


def test_an_error_reaches_the_caller_and_the_next_request_is_answered() -> None:
    worker = Worker()

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    async def both() -> list[int]:
        with pytest.raises(ValueError, match="no"):
            [item async for item in worker.each(broken)]
        return [item async for item in worker.each(lambda: iter([7]))]

    assert asyncio.run(both()) == [7]
    worker.close()


def test_a_full_waiting_room_turns_away() -> None:
    worker, go = Worker(waiting_room=1), threading.Event()

    def waits() -> Iterator[int]:
        go.wait(5)
        yield 1

    async def crowd() -> None:
        first = worker.each(waits)
        await asyncio.sleep(0.05)
        second = worker.each(waits)
        with pytest.raises(BusyError):
            worker.each(waits)
        go.set()
        assert [item async for item in first] == [item async for item in second] == [1]

    asyncio.run(crowd())
    worker.close()


def test_closing_ends_what_runs_and_what_waits() -> None:
    worker = Worker()

    def endless() -> Iterator[int]:
        while True:
            time.sleep(0.001)
            yield 1

    async def closed_meanwhile() -> None:
        running, waiting = worker.each(endless), worker.each(endless)
        await anext(running)
        await asyncio.get_running_loop().run_in_executor(None, worker.close)
        for cut_short in (running, waiting):
            with pytest.raises(BusyError, match="stopping"):
                [item async for item in cut_short]

    asyncio.run(closed_meanwhile())
