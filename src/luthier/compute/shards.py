"""Work on shards in this process, in several, or on a cluster: same shards, same bytes.

What a shard becomes is a folder named by its key, complete or not there at all. A folder that is there is not made
again, so a run that was killed loses the shards in flight and nothing else.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

from luthier.artifacts.canonical import canonical_json, sha256_of, sha256_of_file
from luthier.artifacts.storage import explain_disk, own_aside, sweep, sync_folder, sync_tree
from luthier.errors import LuthierError, UserError
from luthier.records import Listener, Tick, nobody_listens

RECEIPT = "receipt.json"
T = TypeVar("T")
Facts = Mapping[str, Any]
Work = Callable[[T, Path], Facts]
"""What is done with one shard: write files into an empty folder, and return facts as plain JSON. It travels to other
processes, so it is a function of a module, or an object of plain fields."""
Answers = Generator[None, None, None]
"""One per task that is done. To close them is to end the work."""


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

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Answers:
        """Do every task once at least, in any order. Raises what `job` raises."""
        ...


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """One after another, here."""

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Answers:
        """See `Executor`."""
        yield from map(job, tasks)


@dataclass(frozen=True, slots=True)
class Processes:
    """Several processes of this machine. They end when this one does, however it ends."""

    count: int

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Answers:
        """See `Executor`. LuthierError if a process dies, as it does when memory runs out."""
        context = get_context("spawn")
        leash, hand = context.Pipe(duplex=False)
        with leash, ProcessPoolExecutor(self.count, context, _live_on, (leash,)) as pool, hand:
            try:
                for future in as_completed(_submitted(pool, job, tasks)):
                    yield future.result()
            except BrokenProcessPool:
                raise LuthierError(
                    "a worker process died, as happens when memory runs out. What was finished is kept: lower "
                    "compute.workers and run the same command again."
                ) from None


def _submitted(
    pool: ProcessPoolExecutor, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]
) -> list[Future[None]]:
    """Hand out the tasks, which starts the workers, deaf to Ctrl-C: it reaches them too, but only one decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return [pool.submit(job, task) for task in tasks]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live_on(leash: Connection) -> None:
    """Start a worker that lives until the other end of the leash is closed, or dies with the process that holds it."""

    def watch() -> None:
        leash.poll(None)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


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

    One call at a time works in a store. Raises what `work` raises; finished shards are kept then too.
    """
    folders = [store / task.key for task in tasks]
    with explain_disk(store), ThreadPoolExecutor() as readers:
        store.mkdir(parents=True, exist_ok=True)
        whole = list(readers.map(_is_whole, folders))
        left = [task for task, is_whole in zip(tasks, whole, strict=True) if not is_whole]
        for folder in (store / task.key for task in left):
            if folder.exists():
                shutil.rmtree(folder)
    done = len(tasks) - len(left)
    listener(Tick("prepare", done, len(tasks), word))
    try:
        with closing(executor.run(_Job(work, store), left)) as answers:
            for _ in answers:
                done += 1
                listener(Tick("prepare", done, len(tasks), word))
    finally:
        sweep(store)
    try:
        return [Done(folder, _receipt(folder)["facts"]) for folder in folders]
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename}: made elsewhere, and not to be seen here. All machines of compute.cluster must have "
            "the same folders under the same paths."
        ) from None


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    """Work on one task, written aside and renamed. Two may do the same task: the first one's folder stays."""

    work: Work[T]
    store: Path

    def __call__(self, task: Task[T]) -> None:
        folder = self.store / task.key
        if (folder / RECEIPT).exists():
            return
        with own_aside(folder) as aside:
            facts = self.work(task.shard, aside)
            files = {path.name: sha256_of_file(path) for path in aside.iterdir()}
            told = {"facts": facts, "files": files}
            (aside / RECEIPT).write_bytes(canonical_json({**told, "digest": sha256_of(told)}))
            sync_tree(aside)
            try:
                os.rename(aside, folder)
            except OSError:
                # A folder that is not empty is never replaced: whoever came first may be read already.
                if not (folder / RECEIPT).exists():
                    raise
            sync_folder(self.store)


def _receipt(folder: Path) -> dict[str, Any]:
    told = json.loads((folder / RECEIPT).read_bytes())
    return {name: told[name] for name in ("facts", "files", "digest")}


def _is_whole(folder: Path) -> bool:
    """True if every byte is there that the receipt tells of, and the receipt is as it was written."""
    try:
        told = _receipt(folder)
        digest = told.pop("digest")
        return digest == sha256_of(told) and all(
            sha256_of_file(folder / name) == expected for name, expected in told["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
