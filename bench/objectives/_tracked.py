"""A short run's points, handed to one tracker with its real tool; runs in the peers' Python.

python _tracked.py NAME FOLDER POINTS      prints what was told, and the seconds that the points and the end took
python _tracked.py --read NAME FOLDER      prints how many points the tool itself reads back
"""

import json
import sys
import time
from pathlib import Path

from luthier.train.journal import Journal
from luthier.train.tracking import Run

CLASSES = {"tensorboard": "TensorBoard", "mlflow": "MlFlow", "wandb": "WeightsAndBiases", "trackio": "TrackIo"}
PAUSE = 0.1
"""Seconds of a step."""


def main() -> None:
    """Either of both."""
    if sys.argv[1] == "--read":
        print(json.dumps(READERS[sys.argv[2]](Path(sys.argv[3]))))
        return
    name, folder, points = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    told: list[str] = []
    run = Run("b5c0ffee1234", "bench b5c0ff", folder, {"base": "none", "learning_rate": 0.001, "epochs": 1.0})

    _declare(folder / "site", name)
    journal = Journal(folder / "curve.jsonl", trackers=[name], run=run, listener=lambda tick: told.append(tick.note))
    slowest = 0.0
    began = time.monotonic()
    with journal.kept([]):
        for step in range(points):
            time.sleep(PAUSE)
            before = time.monotonic()
            journal.add({"step": step, "epoch": step / points, "loss": 2.0 / (1 + step), "rate": 1e-3})
            slowest = max(slowest, time.monotonic() - before)
        learnt = time.monotonic()
    ended = time.monotonic()
    print(
        json.dumps(
            {"told": told, "slowest": slowest, "run": learnt - began, "end": ended - learnt, "done": time.time()}
        ),
        flush=True,
    )


def _declare(folder: Path, name: str) -> None:
    """Install our tracker's entry point, which the peers' Python lacks."""
    package = folder / "declared-0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Name: declared\nVersion: 0\n", encoding="utf-8")
    target = f"luthier.train.trackers.{name}:{CLASSES[name]}"
    (package / "entry_points.txt").write_text(f"[luthier.trackers]\n{name} = {target}\n", encoding="utf-8")
    sys.path.append(str(folder))


def _read_tensorboard(folder: Path) -> int:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    found.Reload()
    return len(found.Scalars("loss"))


def _read_mlflow(folder: Path) -> int:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("luthier")
    (run,) = client.search_runs([experiment.experiment_id])
    return len(client.get_metric_history(run.info.run_id, "loss"))


def _read_wandb(folder: Path) -> int:
    """Bytes of the offline record, of which a point takes a few dozen: wandb has no reader for it."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return file.stat().st_size


def _read_trackio(folder: Path) -> int:
    from trackio.sqlite_storage import SQLiteStorage

    return len(SQLiteStorage.get_logs("luthier", "bench b5c0ff-b5c0ffee1234"))


READERS = {"tensorboard": _read_tensorboard, "mlflow": _read_mlflow, "wandb": _read_wandb, "trackio": _read_trackio}


if __name__ == "__main__":
    main()
