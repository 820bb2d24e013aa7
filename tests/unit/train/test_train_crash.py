"""A process that dies at any point of a commit, and a disk that fills up, cost at most the last steps."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from crashing import CRASHED, POINTS, train_and_crash
from trainings import Training, content

SETTINGS = {"epochs": 0.8}


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.BaseContext:
    """Children of a server that has loaded everything once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "luthier.train.stage"])
    return context


def test_a_crash_at_any_point_of_a_commit_loses_nothing(
    make_training: Callable[..., Training], processes: multiprocessing.context.BaseContext
) -> None:
    training = make_training("chat", **SETTINGS)
    expected = content(training.run("whole"))
    for point in POINTS:
        arguments = (training.home, training.base, training.dataset.path, SETTINGS, point)
        child = processes.Process(target=train_and_crash, args=arguments)
        child.start()
        child.join(60)
        assert child.exitcode == CRASHED, point
        name = point.replace(" ", "-")
        assert training.newest(name).step >= 3, point
        again = training.run(name)
        assert content(again) == expected, point
        left = {path.name.partition("-")[0] for path in (training.scratch(name) / "checkpoints").iterdir()}
        assert left <= {"step", "index.jsonl"}, point


def test_a_full_disk_stops_with_a_remedy_and_space_lets_it_go_on(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel gives no user namespaces, so no small disk can be mounted")
    script = 'mount -t tmpfs -o size=8m tmpfs "$1" || exit 99; exec "$2" "$3" "$4" "$1"'
    disk = tmp_path / "disk"
    disk.mkdir()
    here = Path(__file__).parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{here}:{here.parent}"}
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(disk), sys.executable, str(here / "small_disk.py")]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode == 99:
        pytest.skip("this kernel lets nobody mount a tmpfs")
    assert done.returncode == 0, done.stderr
    message, steps, newest, equal = done.stdout.splitlines()
    assert "disk is full" in message
    assert "free some space" in message
    assert newest == steps == "step 3"
    assert equal == "equal"
