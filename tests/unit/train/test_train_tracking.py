"""Trackers that are slow, raise, exit or are missing are told once and left; the run is the same without them."""

import sys
import threading
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
import sys, time

class Plain:
    seen = []
    def __init__(self, run):
        self.run = run
        Plain.last = self
        self.closed = False
    def log(self, step, values):
        self.seen.append((step, dict(values)))
    def close(self):
        self.closed = True

class Sleeps(Plain):
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
    monkeypatch.delitem(sys.modules, "tempers", raising=False)


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
    seen, last = sys.modules["tempers"].Plain.seen, sys.modules["tempers"].Plain.last
    assert [step for step, _ in seen] == list(range(model.manifest.counts["steps"] + 1))
    assert {"loss", "rate", "norm", "epoch"} <= set(seen[1][1])
    assert "validation_loss" in seen[0][1]
    assert last.closed
    assert last.run.id == training.key[:12]
    assert last.run.settings["objective"] == "chat"
    assert not [value for value in last.run.settings.values() if str(training.home) in str(value)]


def test_a_tracker_that_falls_behind_costs_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "WAITING", 3)
    stuck = threading.Event()
    feed = tracking.Feed("slow", lambda: lambda _run: stuck.wait(60), tracking.Run("1", "a run", Path(), {}))
    began = time.monotonic()
    for step in range(100):
        feed.put({"step": step, "loss": 1.0})
    feed.end()
    feed.wait(time.monotonic())
    assert time.monotonic() - began < 30
    assert feed.trouble == "did not keep up: 3 points were waiting for it"
    stuck.set()


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
