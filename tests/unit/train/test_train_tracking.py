"""Trackers that are slow, raise, exit or are missing are told once and left; the run is the same without them."""

import json
import signal
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from trainings import Training, content

from luthier.errors import UserError
from luthier.records import Tick
from luthier.train import tracking

Making = Callable[..., Training]
MODULE = """
import json, sys, time

class Plain:
    def __init__(self, run):
        self.file = open(run.folder / "plain.jsonl", "w")
        self.write({"id": run.id, "settings": dict(run.settings)})
    def write(self, what):
        self.file.write(json.dumps(what) + "\\n")
        self.file.flush()
    def log(self, step, values):
        print("said to nobody")
        self.write([step, values])
    def close(self):
        self.write("closed")

class Sleeps(Plain):
    def __init__(self, run):
        import atexit
        atexit.register(time.sleep, 3600)
    def log(self, step, values):
        time.sleep(3600)

class Raises(Plain):
    def log(self, step, values):
        raise ValueError("no connection")

class Exits(Plain):
    def __init__(self, run):
        sys.exit(3)

def misses(run):
    import a_tool_that_is_not_there
"""
NAMES = {"plain": "Plain", "sleeps": "Sleeps", "raises": "Raises", "exits": "Exits", "misses": "misses"}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with trackers of all tempers, installed as pip would."""
    (tmp_path / "site" / "tempers-1.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "tempers.py").write_text(MODULE)
    lines = "".join(f"{name} = tempers:{what}\n" for name, what in NAMES.items())
    (tmp_path / "site" / "tempers-1.dist-info" / "entry_points.txt").write_text(f"[{tracking.GROUP}]\n{lines}")
    (tmp_path / "site" / "tempers-1.dist-info" / "METADATA").write_text("Name: tempers\nVersion: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.mark.usefixtures("installed")
def test_no_tracker_stops_a_run_or_changes_it(make_training: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luthier.train.journal.GRACE", 2.0)
    without = make_training("classify", epochs=1.0)
    whole = without.run("without")
    tracked = make_training("classify", epochs=1.0, track=list(NAMES))
    told: list[Tick] = []
    model = tracked.run("tracked", listener=told.append)
    assert (model.manifest.key, content(model)) == (whole.manifest.key, content(whole))
    notes = [tick.note for tick in told if "tracker" in tick.note]
    assert len(notes) == 4, notes
    assert any("'sleeps' was not done" in note for note in notes)
    assert any("'raises' ValueError: no connection" in note for note in notes)
    assert any("'exits' SystemExit: 3" in note for note in notes)
    assert any("'misses' needs 'a_tool_that_is_not_there'" in note for note in notes)


@pytest.mark.usefixtures("installed")
def test_a_tracker_gets_every_point_and_nothing_but_numbers(make_training: Making) -> None:
    training = make_training("chat", epochs=0.5, track=["plain"])
    model = training.run("run")
    (file,) = training.home.rglob("plain.jsonl")
    told, *seen, closed = [json.loads(line) for line in file.read_text().splitlines()]
    assert [step for step, _ in seen] == list(range(model.manifest.counts["steps"] + 1))
    assert {"loss", "rate", "norm", "epoch"} <= set(seen[1][1])
    assert "validation_loss" in seen[0][1]
    assert closed == "closed"
    assert told["id"] == training.key[:12]
    assert told["settings"]["objective"] == "chat"
    assert str(training.home) not in json.dumps(told)


@pytest.mark.usefixtures("installed")
def test_a_tracker_that_falls_behind_costs_no_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracking, "WAITING", 3)
    feed = tracking.Feed("sleeps", tracking.Run("1", "a run", tmp_path, {}))
    began = time.monotonic()
    for step in range(5_000):
        feed.put({"step": step, "loss": 1.0})
    feed.end()
    feed.wait(time.monotonic())
    feed.stop()
    assert time.monotonic() - began < 30
    assert feed.trouble == "did not keep up: 3 points were waiting for it"
    assert feed._child.wait(30) == -signal.SIGKILL


def test_a_tracker_that_does_not_exist_is_named_before_training(make_training: Making) -> None:
    with pytest.raises(UserError, match="no tracker 'abacus'"):
        make_training("classify", track=["abacus"]).run("run")


def test_the_declared_trackers_are_there() -> None:
    root = Path(__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"][tracking.GROUP]
    assert set(declared) == {"tensorboard", "mlflow", "wandb", "trackio"} <= set(project["optional-dependencies"])
    for target in declared.values():
        module, _, name = target.partition(":")
        source = (root / "src" / (module.replace(".", "/") + ".py")).read_text()
        assert f"class {name}:" in source
