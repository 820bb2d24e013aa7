"""One training, measured from outside: what `_train_loop` found."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.record import ROOT

from luthier.artifacts.folders import DatasetDir


def measured_run(dataset: DatasetDir, base: str, settings: Mapping[str, Any], *, steps: int = 0) -> dict[str, Any]:
    """Train on a dataset in a process of its own, to the end or for some steps."""
    with tempfile.TemporaryDirectory() as folder:
        words = [dataset.path, base, Path(folder) / "run" / "model", json.dumps(dict(settings)), steps]
        command = [sys.executable, "-m", "bench.engine._train_loop", *map(str, words)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"training failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
