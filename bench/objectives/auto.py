"""What `auto` reaches against a grid of three learning rates and three numbers of epochs, on six small real tasks.

The grid's best is the best of nine scores on the exam, which is more than anyone could choose who may not look at it;
the one that validation would choose stands beside it. A point is one hundredth of macro-F1, entity F1, nDCG@10 or exact
matches, or one per cent of the bits per byte. Finished trainings and scores are kept in `bench/runs/auto`: run again to
go on.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.objectives._marks import marks_of
from bench.objectives._tasks import Row, chapters, dealt, documents, entities, questions, synonyms, write_project
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import WORKSHOP, warm

from luthier.artifacts.folders import ModelDir
from luthier.pipeline.run import run

RATES = (3e-4, 1e-3, 3e-3)
CLOSE = 1.0
"""Points below the grid's best that still are as good."""
ENOUGH = 5
"""Tasks of six."""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows, how they are learnt, and for how many epochs the grid learns them."""

    rows: Callable[[Path], list[Row]]
    objective: str
    base: str
    parts: Mapping[str, int]
    epochs: tuple[float, float, float]


ENCODED, PAIRED, WRITTEN = (3.0, 8.0, 20.0), (2.0, 5.0, 12.0), (1.0, 2.0, 4.0)
MINILM, SMOLLM = "minilm-l6", "smollm2-135m"
TASKS = {
    "chapters": Task(chapters, "classify", MINILM, {"train": 400, "validation": 100, "test": 1500}, ENCODED),
    "questions": Task(questions, "classify", MINILM, {"train": 250, "validation": 75, "test": 800}, ENCODED),
    "entities": Task(entities, "tag", MINILM, {"train": 200, "validation": 60, "test": 500}, ENCODED),
    "synonyms": Task(synonyms, "embed", MINILM, {"train": 500, "validation": 120, "test": 800}, PAIRED),
    "answers": Task(chapters, "chat", SMOLLM, {"train": 100, "validation": 50, "test": 200}, WRITTEN),
    "documents": Task(documents, "complete", SMOLLM, {"train": 100, "validation": 50, "test": 150}, WRITTEN),
}


def measure(asked: Asked) -> Outcome:
    """All tasks; the quick form takes one of them, and one point of the grid."""
    found: dict[str, dict[str, Any]] = {}
    for name, task in TASKS.items():
        if asked.quick and name != "chapters":
            continue
        began = time.perf_counter()
        found[name] = _Grid(name, task, asked).run()
        told = {key: found[name][key] for key in ("auto", "best", "chosen", "behind")}
        say(f"{name}: {json.dumps(told)}, {time.perf_counter() - began:.0f} s")
    close = sum(one["behind"] <= CLOSE for one in found.values())
    return Outcome(
        holds=close >= min(ENOUGH, len(found)),
        value={name: {key: one[key] for key in ("auto", "behind")} for name, one in found.items()},
        bar=f"at most {CLOSE:g} point behind the grid's best on {ENOUGH} of {len(TASKS)} tasks",
        peer={name: {key: one[key] for key in ("best", "chosen")} for name, one in found.items()},
        detail=found,
    )


class _Grid:
    """One task's trainings."""

    def __init__(self, name: str, task: Task, asked: Asked) -> None:
        warm(task.base)
        self.task = task
        self.asked = asked
        self.folder = WORKSHOP / "auto" / f"{name}-{asked.seed}"
        rows = task.rows(self.folder / "read")
        parts = dict.fromkeys(task.parts, 40) if asked.quick else task.parts
        self.project = write_project(
            self.folder,
            dealt(rows, parts, seed=asked.seed),
            name=name,
            objective=task.objective,
            base=task.base,
            train={"seed": asked.seed},
        )

    def run(self) -> dict[str, Any]:
        """Scores of `auto` and of the grid."""
        for stage in ("collect", "prepare"):
            run(self.project, only=stage)
        auto = self._train([])
        rates, epochs = (RATES[:1], self.task.epochs[:1]) if self.asked.quick else (RATES, self.task.epochs)
        grid = {
            f"{rate:g} x {count:g}": self._train([f"train.learning_rate={rate}", f"train.epochs={count}"])
            for rate in rates
            for count in epochs
        }
        best = max(grid, key=lambda point: grid[point]["points"])
        chosen = min(grid, key=lambda point: grid[point]["validation"])
        return {
            "auto": round(auto["points"], 2),
            "best": [best, round(grid[best]["points"], 2)],
            "chosen": [chosen, round(grid[chosen]["points"], 2)],
            "behind": round(grid[best]["points"] - auto["points"], 2),
            "choices": auto["choices"],
            "grid": grid,
        }

    def _train(self, settings: list[str]) -> dict[str, Any]:
        """Score of one training; what is finished is not done again."""
        folder = run(self.project, overrides=settings, only="train").run
        model = ModelDir.open(folder / ModelDir.kind)
        facts = model.manifest.facts
        path = self.folder / f"{model.digest[:16]}.npy"
        points = marks_of(folder, objective=self.task.objective, base=self.task.base, kept=path).points
        found = {"points": points, "validation": facts["best_validation_loss"], "story": facts["story"]}
        say(f"  {' '.join(settings) or 'auto'}: {points:.2f} points, {facts['story']}")
        found["diagnosis"] = [finding["kind"] for finding in facts["diagnosis"]]
        return found | {"choices": {name: one["value"] for name, one in facts["choices"].items()}}


if __name__ == "__main__":
    run_bench("objectives.auto", measure, about=__doc__)
