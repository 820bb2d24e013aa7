"""What `auto` reaches against a grid of three learning rates and three numbers of epochs, on six small real tasks.

The grid's best is the best of nine scores on the exam, which is more than anyone could choose who may not look at it;
the one that validation would choose stands beside it. A point is one hundredth of macro-F1, entity F1, nDCG@10 or exact
matches, or one per cent of the bits per byte. Finished trainings and scores are kept in `bench/runs/auto`: run again to
go on.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.objectives._tasks import Row, chapters, dealt, documents, entities, questions, synonyms, write_project
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import WORKSHOP, warm

from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir
from luthier.artifacts.rows import read_items
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.metrics.spans import span_f1, types_of
from luthier.evaluate.tasks import classify, embed, generate, likelihood, tag
from luthier.models.bases import resolve_base
from luthier.models.engines.hf import load_engine
from luthier.pipeline.run import run
from luthier.records import Item

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
        path = self.folder / "scores.json"
        scores = json.loads(path.read_text()) if path.is_file() else {}
        if model.digest not in scores:
            scores[model.digest] = self._score(folder, model)
            path.write_text(json.dumps(scores, indent=1))
        found = {"points": scores[model.digest], "validation": facts["best_validation_loss"], "story": facts["story"]}
        say(f"  {' '.join(settings) or 'auto'}: {found['points']:.2f} points, {facts['story']}")
        found["diagnosis"] = [finding["kind"] for finding in facts["diagnosis"]]
        return found | {"choices": {name: one["value"] for name, one in facts["choices"].items()}}

    def _score(self, folder: Path, model: ModelDir) -> float:
        """Points on the exam: more is better."""
        base = resolve_base(self.task.base, relative_to=self.folder)
        engine = load_engine(base, tuned=model)
        items = read_items(ExamDir.open(folder / ExamDir.kind).file("items.parquet"))
        dataset = DatasetDir.open(folder / DatasetDir.kind)
        labels = [str(label) for label in dataset.manifest.facts.get("labels") or ()]
        match self.task.objective:
            case "classify":
                return _macro_f1(items, classify.ask_tuned(items, engine=engine, labels=labels), labels)
            case "tag":
                counts = np.array(tag.ask_tuned(items, engine=engine, labels=labels).spans, dtype=np.float64)
                return 100 * float(span_f1(types=len(types_of(labels)))(counts.sum(axis=0)))
            case "embed":
                pool = embed.pool_of(dataset, items, wording=engine.wording)
                return 100 * float(np.mean(embed.search(items, pool, engine=engine, adapter=True).scores["ndcg_10"]))
            case "chat":
                limit = generate.answer_limit(items, engine.wording, setting="auto")
                arm = generate.ask(items, engine=engine, adapter=True, max_tokens=limit)
                return 100 * float(np.mean(arm.scores["exact_match"]))
            case _:
                arm = likelihood.ask(items, engine=engine, adapter=True)
                return -100 * math.log(float(np.mean(arm.scores["bits_per_byte"])))


def _macro_f1(items: Sequence[Item], arm: Arm, labels: Sequence[str]) -> float:
    gold, places = np.array([labels.index(item.golds[0]) for item in items]), np.arange(len(items))
    counts = label_counts(gold, np.array(arm.predicted), document_N=places, labels=len(labels))
    kept = scored_labels(gold, places, labels=len(labels))
    return 100 * float(macro_f1(kept, labels=len(labels))(counts.sum(axis=0)))


if __name__ == "__main__":
    run_bench("objectives.auto", measure, about=__doc__)
