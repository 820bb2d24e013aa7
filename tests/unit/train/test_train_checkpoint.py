"""The checkpoint store: what it keeps, what it refuses, what it does with damage."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import Training, content

from luthier.errors import LuthierError, StoppedError
from luthier.records import Tick
from luthier.train.checkpoint import Checkpoint, CheckpointStore


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def make_store(tmp_path: Path, told: list[str]) -> Callable[..., CheckpointStore]:
    def make(**changes: object) -> CheckpointStore:
        settings = {"key": "mine", "keep": 2, **changes}
        return CheckpointStore(tmp_path / "checkpoints", listener=lambda tick: told.append(tick.note), **settings)

    return make


def state(step: int) -> Checkpoint:
    tensors = {
        "wide": torch.full((3, 2), step / 3),
        "narrow": torch.full((4,), step / 7, dtype=torch.bfloat16),
        "random": torch.arange(9, dtype=torch.uint8),
    }
    return Checkpoint(step, tensors, {"step": step, "best_loss": 1 / step, "curve": [{"step": 1, "loss": None}]})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_what_is_read_is_what_was_written(make_store: Callable[..., CheckpointStore]) -> None:
    assert make_store().newest() is None
    make_store().commit(state(3))
    found = make_store().newest()
    assert found is not None
    assert (found.step, found.history) == (3, state(3).history)
    assert found.tensors.keys() == state(3).tensors.keys()
    for name, value in state(3).tensors.items():
        assert found.tensors[name].dtype is value.dtype
        assert found.tensors[name].shape == value.shape
        assert torch.equal(found.tensors[name], value)


@settings(deadline=None, max_examples=20)
@given(keep=st.integers(1, 3), better=st.lists(st.booleans(), min_size=1, max_size=7), pinned=st.integers(1, 7))
def test_rotation_keeps_the_newest_what_they_need_and_the_pinned(
    tmp_path_factory: pytest.TempPathFactory, keep: int, better: list[bool], pinned: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    store = CheckpointStore(folder / "checkpoints", key="mine", keep=keep, listener=lambda _tick: None)
    best: dict[int, int] = {}
    for step, is_better in enumerate(better, start=1):
        best[step] = step if is_better else best.get(step - 1, 1)
        store.commit(state(step), needs={best[step]})
        if step == pinned:
            (folder / "checkpoints" / f"step-{step:08d}" / "pinned").touch()
        newest = {*range(max(1, step - keep + 1), step + 1)}
        kept = newest | {best[each] for each in newest} | ({pinned} if pinned <= step else set())
        assert names(folder) == ["index.jsonl", *(f"step-{each:08d}" for each in sorted(kept))]
        found, held = store.newest(), store.at(best[step])
        assert found is not None
        assert held is not None
        assert (found.step, held.step) == (step, best[step])
    lines = (folder / "checkpoints" / "index.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, len(better) + 1))


def test_whatever_rotation_leaves_can_end_well(make_store: Callable[..., CheckpointStore], tmp_path: Path) -> None:
    """The newest is its own best; without it, the one before needs the best that it knew."""
    store = make_store()
    for step, best in ((1, 1), (2, 2), (3, 2), (4, 4)):
        store.commit(state(step), needs={best})
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000004")
    found = make_store().newest()
    assert found is not None
    assert found.step == 3
    assert store.at(2) is not None


def test_a_checkpoint_whose_best_is_lost_is_put_aside(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str]
) -> None:
    store = make_store(keep=3)
    store.commit(state(1))
    store.commit(state(2))
    store.commit(state(3), needs={2})
    (tmp_path / "checkpoints" / "step-00000002" / "state.safetensors").write_bytes(b"junk")
    found = make_store().newest()
    assert found is not None
    assert found.step == 1
    assert ["step-00000002" in told[0], "needs step 2" in told[1]] == [True, True]
    assert len(list((tmp_path / "checkpoints" / "quarantine").iterdir())) == 2


def test_a_checkpoint_that_vanished_is_told(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str]
) -> None:
    store = make_store()
    for step in (1, 2):
        store.commit(state(step))
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000002")
    for _ in range(2):  # once is enough
        found = make_store().newest()
        assert found is not None
        assert found.step == 1
    assert len(told) == 1
    assert "step-00000002 was written, but is gone" in told[0]


def test_the_time_of_a_file_means_nothing(make_store: Callable[..., CheckpointStore], tmp_path: Path) -> None:
    store = make_store()
    for step, stamp in ((1, 2**33), (2, 0)):
        store.commit(state(step))
        for path in (tmp_path / "checkpoints" / f"step-{step:08d}").iterdir():
            os.utime(path, (stamp, stamp))
    found = make_store().newest()
    assert found is not None
    assert found.step == 2


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_damage_is_put_aside_and_the_one_before_is_used(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any bit of any file, or its end."""
    folder, told = tmp_path_factory.mktemp("run"), []
    store = CheckpointStore(folder, key="mine", keep=2, listener=lambda tick: told.append(tick.note))
    for step in (1, 2):
        store.commit(state(step))
    path = folder / "step-00000002" / data.draw(st.sampled_from(["state.safetensors", "history.json", "manifest.json"]))
    content = bytearray(path.read_bytes())
    place, damage = data.draw(st.integers(0, len(content) - 1)), data.draw(st.sampled_from(["flip", "cut", "gone"]))
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:place])
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
    found = store.newest()
    assert found is not None
    assert found.step == 1
    assert "step-00000002" in told[0]
    assert "damaged" in told[0]
    assert len(list((folder / "quarantine").iterdir())) == 1
    store.commit(state(2))
    assert store.at(2) is not None


def test_a_file_the_manifest_does_not_vouch_for_is_not_read(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str]
) -> None:
    make_store().commit(state(1))
    path = tmp_path / "checkpoints" / "step-00000001" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["files"]["state.safetensors"]
    path.write_text(json.dumps(manifest))
    assert make_store().newest() is None
    assert "damaged" in told[0]


def test_a_checkpoint_of_another_run_is_left_alone(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str]
) -> None:
    make_store(key="other").commit(state(5))
    make_store().commit(state(2))
    found = make_store().newest()
    assert found is not None
    assert found.step == 2
    assert make_store().at(5) is None
    assert (tmp_path / "checkpoints" / "step-00000005").is_dir()
    assert told == []


def test_training_goes_on_from_before_the_damage(make_training: Callable[..., Training]) -> None:
    training = make_training("chat", epochs=1.0)
    whole = training.run("whole")
    with pytest.raises(StoppedError):
        training.run("run", listener=stop_at(4))
    weights = training.checkpoints("run")[-1] / "state.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    seen: list[Tick] = []
    assert content(training.run("run", listener=seen.append)) == content(whole)
    assert any("step-00000004 moved to" in tick.note and "it is damaged" in tick.note for tick in seen)
    assert next(tick.done for tick in seen if tick.total and tick.stage == "train") == 4


@pytest.mark.parametrize("loss", ["gone", "damaged"])
def test_the_last_weights_never_pass_for_the_best(overfitting: Training, loss: str) -> None:
    """A lost best checkpoint is an error, not another model under its name."""
    training = overfitting

    def lose(tick: Tick) -> None:
        if tick.stage != "train" or "validation" not in tick.note:
            return
        best = training.newest("run").history["best_step"] if training.checkpoints("run") else 0
        if 0 < best < tick.done - 2:
            path = training.scratch("run") / "checkpoints" / f"step-{best:08d}"
            if loss == "gone":
                shutil.rmtree(path, ignore_errors=True)
            elif (path / "history.json").exists():
                (path / "history.json").write_text("{")

    whole = training.run("whole")
    with pytest.raises(LuthierError, match=r"gone or damaged.*again"):
        training.run("run", listener=lose)
    assert not (training.home / "run" / "model").exists()
    assert content(training.run("run")) == content(whole)


def stop_at(step: int) -> Callable[[Tick], None]:
    def listen(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == step:
            signal.raise_signal(signal.SIGTERM)

    return listen
