"""Power cuts at every moment of a whole training run."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from power import Recorder, Tree, crash_states, lay_out
from tiny_runs import Server, Site, result_of
from trainings import SMALL_REPLAY

from luthier.artifacts.folders import ModelDir, find
from luthier.artifacts.lock import run_lock
from luthier.errors import LuthierError
from luthier.train import replay
from luthier.train.checkpoint import CheckpointStore

DONE = 1_000_000
"""The promise that the model is there."""
States = list[tuple[Tree, int]]


@contextmanager
def _changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    yield
    setattr(owner, name, before)


def training_states(site: Site, root: Path) -> States:
    """Every state in which a crash may leave the home of a training run, with the step that it must hold."""
    recorder, training = Recorder(root), site.training()
    root.mkdir()
    training.home = root
    commit = CheckpointStore.commit

    def commit_and_promise(store: CheckpointStore, checkpoint: Any, **settings: Any) -> None:
        commit(store, checkpoint, **settings)
        recorder.promise(checkpoint.step)

    for name, value in SMALL_REPLAY.items():
        setattr(replay, name, value)
    with _changed(CheckpointStore, "commit", commit_and_promise), recorder.recording():
        training.run("run")
        recorder.promise(DONE)
    return crash_states(recorder.ops)


def losses(site: Site, states: States, folder: Path, tell: Callable[[str], None] = lambda _line: None) -> list[str]:
    """States from which something that was promised cannot be read again."""
    found = []
    for number, (tree, promise) in enumerate(states):
        home = folder / str(number)
        lay_out(tree, home)
        try:
            wrong = _loss(site, home, promise)
        except LuthierError as error:
            wrong = str(error)
        found += [f"state {number}: {wrong}"] if wrong else []
        shutil.rmtree(home)
        if number % 500 == 499:
            tell(f"{number + 1} of {len(states)} states of the disk read, {len(found)} with a loss")
    return found


def _loss(site: Site, home: Path, promise: int) -> str:
    training, told = site.training(), []
    training.home = home
    with run_lock(home / "run"):
        if find(home / "run" / "model", ModelDir, key=training.key) is not None:
            return ""
        if promise == DONE or (home / "run" / "model").exists():
            return "the model is not whole"
        store = training.store("run", listener=lambda tick: told.append(tick.note))
        newest = store.newest()
    step = newest.step if newest else -1
    if told or (step < promise and (promise or step >= 0)):
        return f"step {promise} was promised, {step} found; {told}"
    return ""


def differences(site: Site, server: Server, states: States, home: Path, *, count: int, seed: int = 0) -> list[str]:
    """Of a sample of states, runs that do not end like the unbroken one."""
    found, expected = [], site.result("whole")
    for number, (tree, promise) in enumerate(random.Random(seed).sample(states, min(count, len(states)))):
        lay_out(tree, home / str(number))
        ended = server.run(site, "run", home=str(home / str(number)))
        if ended.code != 0:
            found.append(f"after step {promise}: ended with {ended.code}: {ended.told[-500:]}")
        elif result_of(home / str(number) / "run") != expected:
            found.append(f"after step {promise}: the end differs")
        shutil.rmtree(home / str(number))
    return found
