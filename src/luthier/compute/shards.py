"""Work on shards in this process, in several, or on a cluster: same shards, same bytes.

What a shard becomes is a folder named by its key, complete or not there at all. A folder that is there is not made
again, so a run that was killed loses the shards in flight and nothing else.
"""

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.storage import aside_of, sync_folder, sync_tree, write_atomic
from luthier.errors import LuthierError
from luthier.records import Listener, Tick, nobody_listens

RECEIPT = "receipt.json"
T = TypeVar("T")
Facts = Mapping[str, Any]
Work = Callable[[T, Path], Facts]
"""What is done with one shard: write into an empty folder, and return facts as plain JSON. It travels to other
processes, so it is a function of a module, or an object of plain fields."""


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """One shard to be worked on."""

    key: str
    """Hash of all that decides what it becomes."""
    shard: T


@dataclass(frozen=True, slots=True)
class Done:
    """What a shard became."""

    folder: Path
    facts: Facts


class Executor(Protocol):
    """Where work is done."""

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Iterator[None]:
        """Do every task once at least, in any order; answers once per task that is done."""
        ...


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """One after another, here."""

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Iterator[None]:
        """See `Executor`."""
        yield from map(job, tasks)


@dataclass(frozen=True, slots=True)
class Processes:
    """Several processes of this machine."""

    count: int

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Iterator[None]:
        """See `Executor`. LuthierError if a process dies, as it does when memory runs out."""
        with ProcessPoolExecutor(self.count, mp_context=get_context("spawn")) as pool:
            waiting: deque[Future[None]] = deque(pool.submit(job, task) for task in tasks)
            try:
                while waiting:
                    waiting[0].result()
                    waiting.popleft()
                    yield
            except BrokenProcessPool:
                raise LuthierError(
                    "a worker process died, as happens when memory runs out. What was finished is kept: lower "
                    "compute.workers and run the same command again."
                ) from None
            finally:
                for future in waiting:
                    future.cancel()


HERE: Executor = ThisProcess()


def run_shards(
    work: Work[T],
    tasks: Sequence[Task[T]],
    *,
    store: Path,
    executor: Executor,
    listener: Listener = nobody_listens,
    word: str = "shards",
) -> list[Done]:
    """What every task became, in order of the tasks. Folders of `store` that are there and whole are not made again.

    Raises what `work` raises; finished shards are kept then too.
    """
    store.mkdir(parents=True, exist_ok=True)
    left = [task for task in tasks if _receipt(store / task.key) is None]
    done = len(tasks) - len(left)
    listener(Tick("prepare", done, len(tasks), word))
    for _ in executor.run(_Job(work, store), left):
        done += 1
        listener(Tick("prepare", done, len(tasks), word))
    found = [(store / task.key, _receipt(store / task.key)) for task in tasks]
    assert all(facts is not None for _, facts in found), "an executor answered for a task that it did not do"
    return [Done(folder, facts) for folder, facts in found if facts is not None]


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    """Work on one task, written aside and renamed. Two may do the same task: the first one's folder stays."""

    work: Work[T]
    store: Path

    def __call__(self, task: Task[T]) -> None:
        folder = self.store / task.key
        if _receipt(folder) is not None:
            return
        with aside_of(folder) as aside:
            facts = self.work(task.shard, aside)
            files = {path.name: sha256_of_file(path) for path in sorted(aside.iterdir())}
            write_atomic(aside / RECEIPT, json.dumps({"facts": facts, "files": files}, sort_keys=True).encode())
            sync_tree(aside)
            shutil.rmtree(folder, ignore_errors=True)
            try:
                os.rename(aside, folder)
            except OSError:
                if _receipt(folder) is None:
                    raise
            sync_folder(self.store)


def _receipt(folder: Path) -> Facts | None:
    """The facts of a folder that is whole, else None."""
    try:
        told = json.loads((folder / RECEIPT).read_bytes())
        whole = all(sha256_of_file(folder / name) == digest for name, digest in told["files"].items())
    except (OSError, ValueError):
        return None
    facts: Facts = told["facts"]
    return facts if whole else None
