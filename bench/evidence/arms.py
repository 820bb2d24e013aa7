"""What it costs to ask every arm: the demo's report with all of them against the one with base and tuned alone.

Both are made in turn from one run, each time with a fresh ledger.
"""

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, finished_run, quick_run, warm

from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir
from luthier.evaluate.config import EvaluateConfig, Models
from luthier.evaluate.stage import evaluate
from luthier.evaluate.verify import verify
from luthier.models.bases import resolve_base

SECONDS, ROUNDS = 180.0, 2
BASE = "smollm2-135m"
KINDS = ("pair", "all")


def measure(asked: Asked) -> Outcome:
    """Two reports of each kind in turn; the quick form makes one of each, of a short run."""
    warm(BASE)
    run = quick_run() if asked.quick else finished_run(DEMO)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    problems: list[str] = []
    for _ in range(1 if asked.quick else ROUNDS):
        for kind in KINDS:
            with tempfile.TemporaryDirectory(prefix="luthier-bench-") as folder:
                seconds[kind].append(_report(run, Path(folder), kind))
                problems += verify(Path(folder))
                record, cost = _read(Path(folder))
            say(f"{kind}: {seconds[kind][-1]:.1f} s")
    more = statistics.median(seconds["all"]) - statistics.median(seconds["pair"])
    shown = all("seconds_per_1000" in cost["arms"][arm] for arm in record["plan"]["arms"])
    arms = {name: record["figures"]["cost"][name] | cost["arms"][name] for name in record["plan"]["arms"]}
    value = {"seconds_more": round(more, 1), "items": record["plan"]["items"], "arms": len(arms)}
    return Outcome(
        holds=more <= SECONDS and shown and not problems,
        value=value,
        bar=f"<= {SECONDS:g} s more than the two-arm report, every arm's cost told, verified",
        detail={"seconds": seconds, "cost": arms, "advice": record["verdict"]["advice"], "problems": problems},
    )


def _report(run: Path, folder: Path, kind: str) -> float:
    """Seconds for a report with these arms, in a folder with a ledger of its own."""
    shutil.copytree(run / "exam", folder / "exam")
    models = Models(base=resolve_base(BASE, relative_to=Path()), tuned=ModelDir.open(run / "model"))
    exam, dataset = ExamDir.open(folder / "exam"), DatasetDir.open(run / "dataset")
    config = EvaluateConfig.model_validate({"arms": kind})
    began = time.perf_counter()
    evaluate(exam, dataset=dataset, models=models, config=config, out=folder / "report")
    return time.perf_counter() - began


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    report = folder / "report"
    return tuple(json.loads((report / name).read_bytes()) for name in ("evidence.json", "notes/cost.json"))


if __name__ == "__main__":
    run_bench("evidence.arms", measure, about=__doc__)
