"""The checkpoint store: what it keeps, what it refuses, what it does with damage."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import Training, content

from luthier.artifacts.lock import run_lock
from luthier.errors import ConflictError, LuthierError, StoppedError
from luthier.records import Tick
from luthier.train.checkpoint import Checkpoint, CheckpointStore


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def make_store(tmp_path: Path, told: list[str]) -> Callable[..., CheckpointStore]:
    def make(**changes: object) -> CheckpointStore:
        settings = {"key": "mine", "keep": 2, "run": tmp_path, **changes}
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
    make_store().commit(state(3), best=3)
    found = make_store().newest()
    assert found is not None
    assert (found.step, found.history) == (3, state(3).history)
    for name, value in state(3).tensors.items():
        assert found.tensors[name].dtype is value.dtype
        assert torch.equal(found.tensors[name], value)


@settings(deadline=None, max_examples=20)
@given(keep=st.integers(1, 3), better=st.lists(st.booleans(), min_size=1, max_size=7))
def test_rotation_keeps_the_newest_and_the_best(
    tmp_path_factory: pytest.TempPathFactory, keep: int, better: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    store = CheckpointStore(folder / "checkpoints", key="mine", keep=keep, run=folder, listener=lambda _tick: None)
    best = 1
    for step, is_better in enumerate(better, start=1):
        best = step if is_better else best
        store.commit(state(step), best=best)
        kept = {*range(max(1, step - keep + 1), step + 1), best}
        assert names(folder) == ["index.jsonl", *(f"step-{each:08d}" for each in sorted(kept))]
        newest, held = store.newest(), store.at(best)
        assert newest is not None
        assert held is not None
        assert (newest.step, held.step) == (step, best)
    lines = (folder / "checkpoints" / "index.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, len(better) + 1))


@pytest.mark.parametrize("name", ["state.safetensors", "history.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "empty"])
def test_a_damaged_newest_is_put_aside_and_the_one_before_is_used(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str], name: str, damage: str
) -> None:
    store = make_store()
    for step in (1, 2):
        store.commit(state(step), best=1)
    path = tmp_path / "checkpoints" / "step-00000002" / name
    data = path.read_bytes()
    match damage:
        case "flipped":
            place = data.index(b"files") if name == "manifest.json" else -1
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place:][1:])
        case "cut":
            path.write_bytes(data[:-1])
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
    found = make_store().newest()
    assert found is not None
    assert found.step == 1
    assert len(told) == 1
    assert "step-00000002 is damaged" in told[0]
    assert len(list((tmp_path / "checkpoints" / "quarantine").iterdir())) == 1
    store.commit(state(2), best=1)
    assert store.at(2) is not None


def test_a_file_the_manifest_does_not_vouch_for_is_not_read(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str]
) -> None:
    make_store().commit(state(1), best=1)
    path = tmp_path / "checkpoints" / "step-00000001" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["files"]["state.safetensors"]
    path.write_text(json.dumps(manifest))
    assert make_store().newest() is None
    assert "damaged" in told[0]


def test_a_checkpoint_of_another_run_is_left_alone(
    make_store: Callable[..., CheckpointStore], tmp_path: Path, told: list[str]
) -> None:
    make_store(key="other").commit(state(5), best=5)
    make_store().commit(state(2), best=2)
    found = make_store().newest()
    assert found is not None
    assert found.step == 2
    assert make_store().at(5) is None
    assert (tmp_path / "checkpoints" / "step-00000005").is_dir()
    assert told == []


def test_whoever_was_overtaken_writes_nothing(make_store: Callable[..., CheckpointStore], tmp_path: Path) -> None:
    with run_lock(tmp_path):
        old = make_store()
        old.commit(state(1), best=1)
    with run_lock(tmp_path):
        make_store().commit(state(2), best=2)
    before = names(tmp_path)
    with pytest.raises(ConflictError, match="taken this run over"):
        old.commit(state(3), best=3)
    assert names(tmp_path) == before


def test_what_a_killed_writer_left_is_swept(make_store: Callable[..., CheckpointStore], tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / ".tmp-3-abc"
    left.mkdir(parents=True)
    (left / "state.safetensors").write_bytes(b"half")
    make_store()
    assert names(tmp_path) == []


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
    assert any("step-00000004 is damaged" in tick.note for tick in seen)
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

    with pytest.raises(LuthierError, match=r"best step.*again"):
        training.run("run", listener=lose)
    assert not (training.home / "run" / "model").exists()


def stop_at(step: int) -> Callable[[Tick], None]:
    def listen(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == step:
            signal.raise_signal(signal.SIGTERM)

    return listen
