"""What goes wrong inside of a run: named points at which it dies or stops, and faults of the machine."""

import itertools
import json
import math
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from luthier.artifacts import folders, lock, storage
from luthier.models.classify import padded_logits
from luthier.models.forward import padded_states
from luthier.records import Tick
from luthier.train import checkpoint, session, stage
from luthier.train.batches import StepPlan
from luthier.train.learner import Learned, Learner
from luthier.train.losses import chat, classify
from luthier.train.stopping import History

Listen = Callable[[Tick], None]
End = Callable[[], None]
"""What happens at a point: the process dies, or sleeps."""


def _before(owner: Any, name: str, when: Callable[..., bool] = lambda *_, **__: True) -> Callable[[End, int], None]:
    """Right before the n-th call of a function with such arguments."""
    return lambda end, nth: _wrap(owner, name, when, (end, None), nth)


def _after(owner: Any, name: str, when: Callable[..., bool] = lambda *_, **__: True) -> Callable[[End, int], None]:
    return lambda end, nth: _wrap(owner, name, when, (None, end), nth)


def _wrap(owner: Any, name: str, when: Callable[..., bool], ends: tuple[End | None, End | None], nth: int) -> None:
    function, calls = getattr(owner, name), itertools.count(1)

    def wrapped(*arguments: Any, **settings: Any) -> Any:
        now = when(*arguments, **settings) and next(calls) == nth
        if now and ends[0]:
            ends[0]()
        result = function(*arguments, **settings)
        if now and ends[1]:
            ends[1]()
        return result

    setattr(owner, name, wrapped)


def _half(name: str) -> Callable[[End, int], None]:
    """Half of a checkpoint's file is written."""

    def arm(end: End, nth: int) -> None:
        write, calls = checkpoint._write_synced, itertools.count(1)

        def write_half(path: Path, blocks: Any) -> dict[str, Any]:
            if path.name == name and next(calls) == nth:
                data = b"".join(bytes(block) for block in blocks)
                path.write_bytes(data[: len(data) // 2])
                end()
            return write(path, blocks)

        checkpoint._write_synced = write_half

    return arm


def _half_line(end: End, nth: int) -> None:
    append, calls = checkpoint.append_line, itertools.count(1)

    def append_half(path: Path, line: bytes) -> None:
        if next(calls) == nth:
            with path.open("ab") as stream:
                stream.write(line[: len(line) // 2])
            end()
        append(path, line)

    checkpoint.append_line = append_half


def _half_rotated(end: End, nth: int) -> None:
    rmtree, calls = shutil.rmtree, itertools.count(1)

    def guarded(path: Path, **settings: Any) -> None:
        if Path(path).name.startswith(".tmp-step-") and next(calls) == nth:
            (Path(path) / checkpoint.MANIFEST).unlink(missing_ok=True)
            end()
        rmtree(path, **settings)

    shutil.rmtree = guarded  # type: ignore[assignment]


def _of_checkpoints(folder: Path) -> bool:
    return folder.name == "checkpoints"


def _of_model(folder: Path, *_: Any) -> bool:
    return (folder / "model").exists()


def _to_step(_aside: Path, home: Path) -> bool:
    return home.name.startswith("step-")


def _is_manifest(path: Path, _blocks: Any) -> bool:
    return path.name == checkpoint.MANIFEST


POINTS: dict[str, Callable[[End, int], None]] = {
    "in the tensors": _half(checkpoint.TENSORS),
    "in the history": _half(checkpoint.HISTORY),
    "before the manifest": _before(checkpoint, "_write_synced", _is_manifest),
    "in the manifest": _half(checkpoint.MANIFEST),
    "before the folder is on disk": _after(checkpoint, "_write_synced", _is_manifest),
    "before the fence": _before(checkpoint, "publish"),
    "before the rename": _before(Path, "rename", _to_step),
    "after the rename": _before(storage, "sync_folder", _of_checkpoints),
    "before the index": _before(checkpoint, "append_line"),
    "in the index": _half_line,
    "before rotation": _before(checkpoint.CheckpointStore, "_rotate"),
    "in rotation, after the rename": _before(checkpoint, "sync_folder", _of_checkpoints),
    "in rotation, half removed": _half_rotated,
    "after rotation": _after(checkpoint.CheckpointStore, "_rotate"),
}
"""Points of a commit; each is passed several times."""

OTHER_POINTS: dict[str, Callable[[End, int], None]] = {
    "before the fence is raised": _before(lock, "write_atomic"),
    "after the fence is raised": _after(lock, "write_atomic"),
    "after the sweep": _after(lock, "sweep_tree"),
    "before the first checkpoint": _before(checkpoint.CheckpointStore, "commit"),
    "before the scale is chosen": _before(stage, "_scale"),
    "before the model's files": _before(stage, "_write"),
    "before the model's manifest": _before(folders, "write_manifest"),
    "before the model is renamed": _before(folders, "publish"),
    "after the model is renamed": _before(storage, "sync_folder", _of_model),
}
"""Points that a run passes once."""


def arm(job: dict[str, Any]) -> Listen:
    """Prepare what the job asks for; returns the listener of the run."""
    if "point" in job:
        number = int(job.get("signal", signal.SIGKILL))
        end = partial(DEEDS[job["deed"]], job) if "deed" in job else partial(os.kill, os.getpid(), number)
        {**POINTS, **OTHER_POINTS}[job["point"]](end, int(job.get("nth", 1)))
    if "not_finite" in job:
        _lose_numbers(frozenset(job["not_finite"]), always=bool(job.get("always")))
    if "group" in job:
        (Path(job["group"]) / "cgroup.procs").write_text(str(os.getpid()))
    if "clocks" in job:
        _let_clocks_jump(int(job["clocks"]))
    if "order" in job:
        _write_order(Path(job["order"]))
    if "padded" in job:
        chat.choose_forward = lambda _model, _rows: (padded_states, "padded")
        classify.choose_logits = lambda _model, _rows, *, pad_id: (partial(padded_logits, pad_id=pad_id), "padded")
    if "remove" in job:
        Path(job["remove"]).unlink(missing_ok=True)
    if "patience" in job:
        session.SPACE_PATIENCE, session.SPACE_EVERY = float(job["patience"]), 0.05
    return _at_step(job)


def _at_step(job: dict[str, Any]) -> Listen:
    """A listener that does one thing after one step, and prints what is told."""
    at = int(job.get("at", -1))
    deed = DEEDS[job.get("deed", "nothing")]

    def listen(tick: Tick) -> None:
        if tick.total == 0:
            print(tick.note, flush=True)
        if tick.stage == "train" and tick.total and tick.done == at:
            deed(job)
        if "space" in job and "paused" in tick.note:
            Path(job["space"]).unlink(missing_ok=True)
        if "terminate" in job and "paused" in tick.note:
            os.kill(os.getpid(), signal.SIGTERM)

    return listen


def _fill_disk(job: dict[str, Any]) -> None:
    with Path(job["ballast"]).open("wb", buffering=0) as stream:
        try:
            stream.writelines(itertools.repeat(bytes(4096)))
        except OSError as error:
            print(f"the disk is full: {error.strerror}", flush=True)


def _take_memory(_job: dict[str, Any]) -> None:
    held = []
    while True:
        held.append(bytearray(b"\x01") * (8 << 20))


def _ask_twice(_job: dict[str, Any]) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)


DEEDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "nothing": lambda _job: None,
    "die": lambda _job: os.kill(os.getpid(), signal.SIGKILL),
    "sleep": lambda _job: os.kill(os.getpid(), signal.SIGSTOP),
    "terminate": lambda _job: os.kill(os.getpid(), signal.SIGTERM),
    "interrupt": lambda _job: os.kill(os.getpid(), signal.SIGINT),
    "ask twice": _ask_twice,
    "fill the disk": _fill_disk,
    "take memory": _take_memory,
}


def _lose_numbers(steps: frozenset[int], *, always: bool) -> None:
    """The loss of some steps is not finite: at any rate, or only at the full learning rate."""
    learn = Learner.learn

    def learn_badly(learner: Learner, plan: StepPlan, *, of: int, history: History) -> Learned:
        if plan.index not in steps or (history.rate_scale < 1 and not always):
            return learn(learner, plan, of=of, history=history)
        loss = learner.loss
        learner.loss = _Spoilt(loss)
        try:
            return learn(learner, plan, of=of, history=history)
        finally:
            learner.loss = loss

    Learner.learn = learn_badly  # type: ignore[method-assign]


class _Spoilt:
    """A loss whose sum is not a number."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loss, name)

    def sum(self, *arguments: Any, **settings: Any) -> Any:
        summed = self.loss.sum(*arguments, **settings)
        return summed._replace(nats=summed.nats * math.nan)


def _write_order(path: Path) -> None:
    """Append what each step learns from."""
    learn = Learner.learn

    def learn_and_tell(learner: Learner, plan: StepPlan, *, of: int, history: History) -> Learned:
        with path.open("a") as stream:
            stream.write(json.dumps([plan.index, [int(row) for row in plan.rows]]) + "\n")
        return learn(learner, plan, of=of, history=history)

    Learner.learn = learn_and_tell  # type: ignore[method-assign]


def _let_clocks_jump(seed: int) -> None:
    """Every look at a clock may find it years before or after the last."""
    dice = random.Random(seed)
    years = 3e8
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, lambda: dice.uniform(-years, years))
    for name in ("time_ns", "monotonic_ns", "perf_counter_ns"):
        setattr(time, name, lambda: dice.randrange(-(10**17), 10**17))
