"""TensorBoard, MLflow, Weights & Biases (offline) and trackio, with their real libraries: what arrives, what it costs.

A run of 300 points, ten a second, is handed to each; the tool then reads back what it holds. MLflow and Weights &
Biases get a server, too, that takes every connection and never answers. It holds if every point that a tool can read
back is there, no hand-over took longer than a tenth of a second, and every process ended in the time that trackers are
given.
"""

import json
import os
import socket
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.peers import peer_python
from bench.record import ROOT, Asked, Outcome, run_bench, say

from luthier.train.tracking import GRACE

PEERS = (
    "tensorboard==2.21.0",
    "mlflow-skinny==3.17.2",
    "alembic==1.20.1",
    "sqlalchemy==2.1.9",
    "wandb==0.31.0",
    "trackio==0.43.0",
)
POINTS, FEW = 300, 50
SLOWEST = 0.1
"""Seconds of a hand-over."""
ENDING = 5.0
"""Seconds that Python itself takes to end, at most."""
SCRIPT = ROOT / "bench" / "objectives" / "_tracked.py"


def measure(asked: Asked) -> Outcome:
    """All four, then the two that have servers with a silent one; the quick form hands over few points."""
    points = FEW if asked.quick else POINTS
    python = _python()
    found: dict[str, dict[str, Any]] = {}
    for name in ("tensorboard", "mlflow", "wandb", "trackio"):
        found[name] = _follow(python, name, points, {"WANDB_MODE": "offline"})
    with _silent() as port:
        place = f"http://127.0.0.1:{port}"
        away = {"MLFLOW_TRACKING_URI": place, "WANDB_BASE_URL": place, "WANDB_API_KEY": "0" * 40}
        for name in ("mlflow", "wandb"):
            found[f"{name}, silent server"] = _follow(python, name, points, away, reads=False)
    for name, one in found.items():
        one["holds"] = one["slowest"] <= SLOWEST and one["exit"] <= ENDING and one["end"] <= GRACE + 1
        one["holds"] = one["holds"] and one.get("read", points) >= points
        say(f"{name}: {json.dumps(one)}")
    return Outcome(
        holds=all(one["holds"] for one in found.values()),
        value={name: one["holds"] for name, one in found.items()},
        bar="every point there, no hand-over over 0.1 s, every process ends",
        detail=found,
        versions=dict(requirement.split("==") for requirement in PEERS),
    )


def _python() -> Path:
    """The peers' Python, which finds our libraries behind its own."""
    python = peer_python("trackers", requirements=PEERS)
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    (site / "ours.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return python


def _follow(python: Path, name: str, points: int, settings: Mapping[str, str], *, reads: bool = True) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        home = {"PYTHONPATH": f"{ROOT / 'src'}", "TRACKIO_DIR": f"{folder}/trackio", "HF_HUB_OFFLINE": "1"}
        env = {**os.environ, **home, **settings}
        done = subprocess.run(
            [python, SCRIPT, name, folder, str(points)], env=env, cwd=folder, capture_output=True, text=True, check=True
        )
        ended = time.time()
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        found["exit"] = ended - found.pop("done")
        if reads:
            words = [python, SCRIPT, "--read", name, folder]
            read = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True, check=False)
            found["read"] = json.loads(read.stdout.strip().splitlines()[-1]) if read.returncode == 0 else 0
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in found.items()}


@contextmanager
def _silent() -> Iterator[int]:
    """Port of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        for each in held:
            each.close()


if __name__ == "__main__":
    run_bench("objectives.trackers", measure, about=__doc__)
