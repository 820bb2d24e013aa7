"""Work on shards: same bytes whoever does it, and a kill loses the shards in flight at most."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from shard_work import DieOnce, Refuse, Write, append, begun, bytes_of, is_alive, tasks, workers

from luthier.compute.cluster import Cluster
from luthier.compute.config import ComputeConfig
from luthier.compute.executors import executor_for
from luthier.compute.shards import HERE, Answers, Done, Executor, Facts, Processes, Task, run_shards
from luthier.errors import LuthierError, UserError
from luthier.records import Tick

PROGRAM = Path(__file__).parent / "run_in_processes.py"
WORKERS = 3


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    """Bytes of twelve shards made here, one after another."""
    run_shards(Write(tmp_path / "other-log"), tasks(12), store=tmp_path / "expected", executor=HERE)
    return bytes_of(tmp_path / "expected")


@pytest.fixture
def begin(tmp_path: Path, log: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a program with three workers, in a process group of its own."""

    def start(*, shards: int = 12, seconds: float = 0.05) -> subprocess.Popen[str]:
        words = [
            sys.executable,
            str(PROGRAM),
            str(tmp_path / "store"),
            str(log),
            str(WORKERS),
            str(shards),
            str(seconds),
        ]
        return subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE, text=True)

    return start


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_several_processes_write_the_same_bytes(tmp_path: Path, log: Path, expected: dict[str, bytes]) -> None:
    store, ticks = tmp_path / "store", list[Tick]()
    done = run_shards(Write(log), tasks(12), store=store, executor=Processes(4), listener=ticks.append, word="writing")
    assert bytes_of(store) == expected
    assert done[3] == Done(store / "key-3", {"rows": 150, "name": "shard 3"})
    assert [one.folder.name for one in done] == [task.key for task in tasks(12)]
    assert ticks == [Tick("prepare", number, 12, "writing") for number in range(13)]


def test_finished_shards_are_not_made_again(tmp_path: Path, log: Path) -> None:
    store, ticks = tmp_path / "store", list[Tick]()
    first = run_shards(Write(log), tasks(3), store=store, executor=HERE)
    again = run_shards(Write(log), tasks(5), store=store, executor=HERE, listener=ticks.append)
    assert again[:3] == first
    assert begun(log) == [0, 1, 2, 3, 4]
    assert [tick.done for tick in ticks] == [3, 4, 5]


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("squares.txt", lambda data: data[:-1]),
        ("squares.txt", lambda data: b"7" + data[1:]),
        ("receipt.json", lambda data: data[:-1]),
        ("receipt.json", lambda data: data.replace(b"350", b"351")),
        ("receipt.json", lambda data: data.replace(b"files", b"filth")),
        ("receipt.json", lambda data: b"[]"),
        ("squares.txt", None),
        ("receipt.json", None),
    ],
)
def test_a_damaged_shard_is_made_again(
    tmp_path: Path, log: Path, expected: dict[str, bytes], name: str, harm: Callable[[bytes], bytes] | None
) -> None:
    store = tmp_path / "store"
    run_shards(Write(log), tasks(12), store=store, executor=HERE)
    hurt = store / "key-7" / name
    if harm is None:
        hurt.unlink()
    else:
        hurt.write_bytes(harm(hurt.read_bytes()))
        assert hurt.read_bytes() != expected[f"key-7/{name}"]
    run_shards(Write(log), tasks(12), store=store, executor=HERE)
    assert bytes_of(store) == expected
    assert begun(log)[12:] == [7]


@pytest.mark.parametrize("executor", [HERE, Processes(2)])
def test_an_error_of_the_work_comes_back_as_it_is(tmp_path: Path, log: Path, executor: Executor) -> None:
    store = tmp_path / "store"
    with pytest.raises(UserError, match=r"^row 5: cannot be read$"):
        run_shards(Refuse(Write(log), 5), tasks(12), store=store, executor=executor)
    finished = {path.name for path in store.iterdir()}
    assert {"key-0", "key-1"} <= finished <= {task.key for task in tasks(12)}
    run_shards(Write(log), tasks(12), store=store, executor=executor)
    assert begun(log).count(0) == 1


def test_a_killed_worker_is_told_in_words_and_costs_what_was_in_flight(
    tmp_path: Path, log: Path, expected: dict[str, bytes]
) -> None:
    store, armed = tmp_path / "store", tmp_path / "armed"
    armed.touch()
    work = DieOnce(Write(log), shard=6, armed=armed)
    with pytest.raises(LuthierError, match=r"a worker process died.*lower compute\.workers"):
        run_shards(work, tasks(12), store=store, executor=Processes(2))
    finished = {path.name for path in store.iterdir()}
    assert finished <= {task.key for task in tasks(12)} - {"key-6"}
    # What the other worker had in flight is lost as well.
    assert len({f"key-{number}" for number in range(6)} - finished) <= 1
    before = len(begun(log))
    armed.unlink()
    run_shards(work, tasks(12), store=store, executor=Processes(2))
    assert bytes_of(store) == expected
    assert len(begun(log)) - before == 12 - len(finished)


def test_kills_at_any_moment_lose_one_shard_per_worker_and_leave_nobody_behind(
    tmp_path: Path, log: Path, expected: dict[str, bytes], begin: Callable[..., subprocess.Popen[str]]
) -> None:
    moments = random.Random(3)
    for kills in range(1, 5):
        program, seen = begin(), len(begun(log))
        wait_for(lambda program=program, seen=seen: len(begun(log)) > seen or program.poll() is not None)
        time.sleep(moments.uniform(0, 0.1))
        program.kill()
        program.communicate()
        wait_for(lambda: not any(map(is_alive, workers(log))))
        assert len(begun(log)) <= 12 + kills * WORKERS
    run_shards(Write(log), tasks(12), store=tmp_path / "store", executor=HERE)
    assert bytes_of(tmp_path / "store") == expected
    assert len(begun(log)) <= 12 + kills * WORKERS
    assert set(begun(log)) == set(range(12))


def test_an_interrupt_ends_idle_and_busy_workers_at_once_and_in_silence(
    tmp_path: Path, log: Path, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    program = begin(shards=WORKERS, seconds=60)
    wait_for(lambda: len(begun(log)) == WORKERS and (tmp_path / "store" / "key-0").exists())
    began = time.monotonic()
    os.killpg(program.pid, signal.SIGINT)
    _, told = program.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert program.returncode == -signal.SIGINT
    assert told.count("Traceback") == 1
    assert not any(map(is_alive, workers(log)))
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["key-0"]


def test_workers_end_at_once_if_the_one_who_listens_fails(tmp_path: Path, log: Path) -> None:
    def listen(tick: Tick) -> None:
        if tick.done:
            raise BrokenPipeError("nobody reads this")

    began = time.monotonic()
    with pytest.raises(BrokenPipeError) as raised:
        run_shards(Write(log, 60), tasks(3), store=tmp_path / "store", executor=Processes(2), listener=listen)
    # The exception holds the frames that it came through, and with them all that nobody closed.
    assert raised.tb is not None
    assert time.monotonic() - began < 5
    assert not any(map(is_alive, workers(log)))


class TwiceAtOnce:
    """An executor that believes a worker dead which only slept: it wakes when the other has finished."""

    def __init__(self) -> None:
        self.asleep = threading.Event()
        self.wake = threading.Event()

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Answers:
        (task,) = tasks
        slept = threading.Thread(target=job, args=(task,))
        slept.start()
        self.asleep.wait()
        job(task)
        yield
        self.wake.set()
        slept.join()


def test_a_worker_that_finishes_late_harms_nobody(tmp_path: Path, log: Path) -> None:
    store, executor, kept = tmp_path / "store", TwiceAtOnce(), list[int]()

    def work(shard: int, folder: Path) -> Facts:
        (folder / "half.txt").write_text("half")
        if not executor.asleep.is_set():
            executor.asleep.set()
            executor.wake.wait()
            kept.append((store / "key-0").stat().st_ino)
        append(log, f"{shard} 0")
        return {"half": (folder / "half.txt").read_text()}

    run_shards(work, tasks(1), store=store, executor=executor)
    assert begun(log) == [0, 0]
    assert kept == [(store / "key-0").stat().st_ino]
    assert [path.name for path in store.iterdir()] == ["key-0"]


class Elsewhere:
    """An executor on machines that have other disks."""

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Answers:
        yield from (None for _ in tasks)


def test_shards_that_are_not_to_be_seen_here_are_told_in_words(tmp_path: Path, log: Path) -> None:
    with pytest.raises(UserError, match=r"key-0.*must have the same folders under the same paths"):
        run_shards(Write(log), tasks(2), store=tmp_path / "store", executor=Elsewhere())


def test_the_config_says_where_work_is_done() -> None:
    assert executor_for(ComputeConfig(workers=1)) == HERE
    assert executor_for(ComputeConfig(workers=3)) == Processes(3)
    assert executor_for(ComputeConfig(workers=3, cluster="auto")) == Cluster("auto")
