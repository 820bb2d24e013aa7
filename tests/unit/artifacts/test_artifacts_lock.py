"""One process per run folder; whoever was overtaken writes nothing."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from pathlib import Path

import pytest

from luthier.artifacts import folders, storage
from luthier.artifacts.fence import FENCE, latest_token, own_token
from luthier.artifacts.folders import CorpusDir, building
from luthier.artifacts.lock import LOCK, run_lock
from luthier.artifacts.storage import append_line, write_atomic
from luthier.errors import ConflictError


@contextmanager
def somebody(folder: Path) -> Iterator[Context]:
    """Another holder than this context, in this process."""
    context = Context()
    lock = run_lock(folder)
    context.run(lock.__enter__)
    yield context
    context.run(lock.__exit__, None, None, None)


def overtake(folder: Path) -> None:
    """Take a folder whose lock file somebody removed."""
    (folder / LOCK).unlink()
    with somebody(folder):
        pass


def build(out: Path, word: str) -> None:
    with building(out, CorpusDir, key=word * 64, settings={}, inputs={}) as draft:
        (draft.path / "word").write_text(word)


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    with somebody(tmp_path), pytest.raises(ConflictError, match=f"process {os.getpid()} works on this run"):
        run_lock(tmp_path).__enter__()
    with run_lock(tmp_path) as token:
        assert (token, own_token(), latest_token(tmp_path)) == (2, 2, 2)
    assert own_token() == 0


def test_a_holder_may_take_it_again_within(tmp_path: Path) -> None:
    with run_lock(tmp_path) as token, run_lock(tmp_path / "." / "x" / "..") as again:
        assert again == token
    with run_lock(tmp_path), run_lock(tmp_path / "prove") as inner:
        assert own_token() == inner == 1


@pytest.mark.parametrize("content", ["", "x", "-3 a", "٣ a", "\x00\x00"])
def test_a_damaged_fence_starts_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / FENCE).write_text(content)
    with run_lock(tmp_path) as token:
        assert token == 1


WRITES: dict[str, Callable[[Path], None]] = {
    "file": lambda folder: write_atomic(folder / "late", b"late"),
    "line": lambda folder: append_line(folder / "late", b"late"),
    "folder": lambda folder: build(folder / "late", "b"),
}


@pytest.mark.parametrize("how", ["the lock was removed", "the folder was removed", "the fence was raised"])
@pytest.mark.parametrize("kind", WRITES)
def test_whoever_was_overtaken_writes_nothing(tmp_path: Path, kind: str, how: str) -> None:
    folder = tmp_path / "run"
    with run_lock(folder):
        match how:
            case "the lock was removed":
                overtake(folder)
            case "the folder was removed":
                shutil.rmtree(folder)
                with somebody(folder):
                    pass
            case _:
                (folder / FENCE).write_text("7 cancelled")
        with pytest.raises(ConflictError, match="taken this run over"):
            WRITES[kind](folder)
        left = {path.name for path in folder.iterdir() if path.is_dir() or path.stat().st_size}
        assert left <= {LOCK, FENCE}


@pytest.mark.parametrize("before", [None, "a"])
def test_a_holder_that_sleeps_between_its_last_look_and_its_write_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    """It is stopped right after it saw that the run is its own; the next holder finishes; it wakes."""
    out = tmp_path / "corpus"
    if before:
        build(out, before)
    check, publish = storage.check_fence, storage.publish

    def sleep(aside: Path, home: Path) -> None:
        with monkeypatch.context() as awake:
            awake.setattr(folders, "publish", publish)
            (tmp_path / LOCK).unlink()
            with somebody(tmp_path) as other:
                other.run(build, out, "c")
        monkeypatch.setattr(storage, "check_fence", lambda: monkeypatch.setattr(storage, "check_fence", check))
        publish(aside, home)

    monkeypatch.setattr(folders, "publish", sleep)
    with run_lock(tmp_path), pytest.raises(ConflictError, match="taken this run over"):
        build(out, "b")
    assert (out / "word").read_text() == "c"


def test_what_a_killed_holder_left_is_swept_wherever_it_lies(tmp_path: Path) -> None:
    for name in (".building-model-1", "training/key/checkpoints/.tmp-3-a", "prove/.building-swept-2"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "state").write_bytes(b"half")
    (tmp_path / "training" / "key" / ".building-replay.json-9").write_bytes(b"half")
    with run_lock(tmp_path):
        found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert found == [FENCE, "prove", LOCK, "training", "training/key", "training/key/checkpoints"]


def test_a_lock_file_that_is_removed_while_we_wait_for_it_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open
    seen = []

    def remove_once(path: Path, *arguments: object, **settings: object) -> object:
        stream = opened(path, *arguments, **settings)  # type: ignore[arg-type]
        if path.name == LOCK and not seen:
            seen.append(path)
            path.unlink()
        return stream

    monkeypatch.setattr(Path, "open", remove_once)
    with run_lock(tmp_path), pytest.raises(ConflictError):
        Context().run(run_lock(tmp_path).__enter__)
    assert seen


def test_clocks_may_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_lock(tmp_path):
        monkeypatch.setattr(time, "time", lambda: 0.0)
    os.utime(tmp_path / FENCE, (2**33, 2**33))
    with run_lock(tmp_path) as token:
        copy_context().run(write_atomic, tmp_path / "file", b"held here too")
    assert token == 2
