"""After a power cut at any moment of a commit, in whatever state the disk is left, the run goes on."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from power import Recorder, Tree, crash_states, lay_out

from luthier.artifacts import storage
from luthier.artifacts.lock import run_lock
from luthier.train import checkpoint
from luthier.train.checkpoint import Checkpoint, CheckpointStore

States = list[tuple[Tree, int]]


def state(step: int) -> Checkpoint:
    return Checkpoint(step, {"weight": torch.full((3,), step / 7)}, {"step": step})


def open_store(run: Path, told: list[str]) -> CheckpointStore:
    store = CheckpointStore(run / "training", key="k", keep=2, listener=lambda tick: told.append(tick.note))
    store.newest()
    return store


def commits(root: Path, steps: int = 3) -> States:
    """States that a crash may leave of a run folder that is made, with some commits; step 1 is the best."""
    recorder = Recorder(root)
    root.mkdir()
    with recorder.recording(), run_lock(root / "run"):
        store = open_store(root / "run", [])
        for step in range(1, steps + 1):
            store.commit(state(step), needs={1})
            recorder.promise(step)
    return crash_states(recorder.ops)


def losses(states: States, folder: Path) -> Iterator[str]:
    """What is wrong in each of these states: a checkpoint that had been promised is gone, or one is damaged."""
    for number, (tree, promise) in enumerate(states):
        lay_out(tree, folder / str(number))
        told: list[str] = []
        with run_lock(folder / str(number) / "run"):
            newest = open_store(folder / str(number) / "run", told).newest()
        step = newest.step if newest else 0
        if step not in {promise, promise + 1} or told:
            yield f"promised {promise}, found {step}; {told}"
        elif newest is not None and not torch.equal(newest.tensors["weight"], state(step).tensors["weight"]):
            yield f"step {step} holds something else"


def test_every_crash_state_of_a_commit_holds_what_was_promised(tmp_path: Path) -> None:
    states = commits(tmp_path / "disk")
    assert len(states) > 100
    assert list(losses(states, tmp_path)) == []


def no_file_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    write = checkpoint._write_synced

    def write_only(path: Path, blocks: Iterable[bytes | memoryview]) -> dict[str, Any]:
        with monkeypatch.context() as context:
            context.setattr(os, "fsync", lambda _number: None)
            return write(path, blocks)

    monkeypatch.setattr(checkpoint, "_write_synced", write_only)


def renamed_before_it_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "sync_folder", lambda _folder: None)


def rename_is_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    def publish(aside: Path, home: Path) -> None:
        aside.rename(home)

    monkeypatch.setattr(checkpoint, "publish", publish)


def folders_are_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (storage, checkpoint):
        monkeypatch.setattr(module, "make_folder", lambda folder: folder.mkdir(parents=True, exist_ok=True))


BREAKS = [no_file_is_synced, renamed_before_it_is_synced, rename_is_not_synced, folders_are_not_synced]


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_protocol_that_leaves_one_step_out_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    with monkeypatch.context() as broken:
        break_it(broken)
        states = commits(tmp_path / "disk", steps=2)
    assert next(losses(states, tmp_path), None) is not None
