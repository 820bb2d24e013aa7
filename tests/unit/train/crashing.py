"""What child processes of the crash tests do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from trainings import SMALL_REPLAY, Training

from luthier.artifacts.folders import DatasetDir
from luthier.models.bases import Base
from luthier.train import checkpoint, replay

CRASHED = 77
Step = Callable[..., Any]


def in_the_tensors(commit: int) -> None:
    """Half of the tensors are in their file."""
    write = Path.write_bytes

    def write_half(path: Path, data: bytes) -> int:
        if path.name == checkpoint.TENSORS and counted() == commit:
            write(path, data[: len(data) // 2])
            os._exit(CRASHED)
        return write(path, data)

    counted = counter()
    Path.write_bytes = write_half  # type: ignore[method-assign]


def counter() -> Callable[[], int]:
    calls = iter(range(1, 10_000))
    return lambda: next(calls)


def around(name: str, *, before: bool) -> Callable[[int], None]:
    """Crash right before or after one step of the n-th commit."""

    def arm(commit: int) -> None:
        owner, attribute = (checkpoint.CheckpointStore, name) if name.startswith("_") else (checkpoint, name)
        step, counted = getattr(owner, attribute), counter()

        def crash(*arguments: Any, **settings: Any) -> Any:
            now = counted() == commit
            if now and before:
                os._exit(CRASHED)
            result = step(*arguments, **settings)
            if now:
                os._exit(CRASHED)
            return result

        setattr(owner, attribute, crash)

    return arm


def in_rotation(_commit: int) -> None:
    """The first checkpoint that is rotated away has lost one of its files."""

    def crash(path: Path, **_settings: Any) -> None:
        if path.name.startswith("step-"):
            (path / checkpoint.MANIFEST).unlink()
            os._exit(CRASHED)

    rmtree = shutil.rmtree

    def guarded(path: Path, **settings: Any) -> None:
        crash(Path(path))
        rmtree(path, **settings)

    shutil.rmtree = guarded  # type: ignore[assignment]


POINTS: dict[str, Callable[[int], None]] = {
    "in the tensors": in_the_tensors,
    "after the files, before the manifest": around("_seal", before=True),
    "after the manifest, before it is on disk": around("sync_tree", before=True),
    "before the rename": around("_check_fence", before=False),
    "after the rename": around("sync_folder", before=True),
    "before the index": around("append_line", before=True),
    "after the index": around("append_line", before=False),
    "in rotation": in_rotation,
}


def train_and_crash(home: Path, base: Base, dataset: Path, settings: dict[str, Any], point: str) -> None:
    """Train until the crash."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    for name, value in SMALL_REPLAY.items():
        setattr(replay, name, value)
    POINTS[point](4)
    Training(home, base, DatasetDir.open(dataset), **settings).run(point.replace(" ", "-"))
