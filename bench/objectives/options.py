"""When label smoothing, R-Drop, class weights and NEFTune help: each on and off, three seeds, on real tasks.

Classifiers on MiniLM: the subject of exam questions (17 subjects, few rows of some), and the chapter of diagnoses with
a fifth of the training labels drawn by chance. NEFTune: SmolLM2-135M writes the chapter of a diagnosis. Everything
else is `auto`. Counts of the three seeds are added up, and the paired difference has a jack-knife interval of 95 % over
the exam's documents; the difference of each seed stands beside it. There is no bar. Finished trainings are kept in
`bench/runs/options`: run again to go on.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench.objectives._marks import Marks, marks_of
from bench.objectives._tasks import Row, chapters, dealt, questions, write_project
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import WORKSHOP, warm

from luthier.artifacts.folders import ModelDir
from luthier.evaluate.statistics.jackknife import jackknife_gain
from luthier.pipeline.run import run

SEEDS = 3
ALPHA = 0.025
WRONG = 0.2
"""Share of the training labels that are drawn by chance where labels are noisy."""
CLASSIFY = {
    "label smoothing 0.1": "train.label_smoothing=0.1",
    "R-Drop 1": "train.r_drop=1",
    "class weights": "train.class_weights=balanced",
}


@dataclass(frozen=True, slots=True)
class Task:
    """Rows, who learns from them, and which options are tried."""

    rows: Callable[[Path], list[Row]]
    objective: str
    base: str
    parts: Mapping[str, int]
    options: Mapping[str, str]
    wrong: float = 0.0


TASKS = {
    "questions": Task(questions, "classify", "minilm-l6", {"train": 250, "validation": 75, "test": 800}, CLASSIFY),
    "chapters with wrong labels": Task(
        chapters, "classify", "minilm-l6", {"train": 400, "validation": 100, "test": 1500}, CLASSIFY, wrong=WRONG
    ),
    "answers": Task(
        chapters,
        "chat",
        "smollm2-135m",
        {"train": 100, "validation": 50, "test": 200},
        {"NEFTune 5": "train.neftune=5"},
    ),
}


def measure(asked: Asked) -> Outcome:
    """All tasks; the quick form is one option of one task, with one seed and forty rows."""
    names = list(TASKS)[:1] if asked.quick else list(TASKS)
    found = {name: _Trial(name, TASKS[name], asked).run() for name in names}
    shown = {name: {option: one["gain"] for option, one in options.items()} for name, options in found.items()}
    return Outcome(holds=True, value=shown, bar="none", detail=found)


class _Trial:
    """One task with and without its options."""

    def __init__(self, name: str, task: Task, asked: Asked) -> None:
        warm(task.base)
        self.task = task
        self.seeds = [asked.seed] if asked.quick else [asked.seed + place for place in range(SEEDS)]
        self.options = dict(list(task.options.items())[:1]) if asked.quick else task.options
        self.folder = WORKSHOP / "options" / f"{name.replace(' ', '-')}-{asked.seed}{'-quick' * asked.quick}"
        parts = dict.fromkeys(task.parts, 40) if asked.quick else task.parts
        rows = dealt(task.rows(self.folder / "read"), parts, seed=asked.seed)
        rows = _with_wrong(rows, share=task.wrong, seed=asked.seed)
        train = {"epochs": 1} if asked.quick else {}
        self.project = write_project(
            self.folder, rows, name="trial", objective=task.objective, base=task.base, train=train
        )
        self.name = name

    def run(self) -> dict[str, dict[str, Any]]:
        """Gain of every option over none, in points."""
        for stage in ("collect", "prepare"):
            run(self.project, only=stage)
        plain = [self._marks(seed, []) for seed in self.seeds]
        found = {}
        for option, setting in self.options.items():
            with_it = [self._marks(seed, [setting]) for seed in self.seeds]
            found[option] = _compared(with_it, plain)
            say(f"{self.name}, {option}: {found[option]}")
        return found

    def _marks(self, seed: int, settings: Sequence[str]) -> Marks:
        """What one training reaches; what was asked before is not asked again."""
        folder = run(self.project, overrides=[*settings, f"train.seed={seed}"], only="train").run
        model = ModelDir.open(folder / ModelDir.kind)
        path = self.folder / f"{model.digest[:16]}.npy"
        marks = marks_of(folder, objective=self.task.objective, base=self.task.base, kept=path)
        say(f"  {self.name}, {' '.join(settings) or 'plain'}, seed {seed}: {marks.points:.2f} points")
        return marks


def _compared(with_it: Sequence[Marks], plain: Sequence[Marks]) -> dict[str, Any]:
    metric = plain[0].metric
    counts, others = (np.sum([marks.counts for marks in side], axis=0) for side in (with_it, plain))
    gain = jackknife_gain(counts, others, metric, alpha=ALPHA)
    return {
        "gain": [round(100 * value, 2) for value in (gain.value, gain.low, gain.high)],
        "seeds": [round(one.points - other.points, 2) for one, other in zip(with_it, plain, strict=True)],
        "plain": round(100 * float(metric(others.sum(axis=0))), 2),
    }


def _with_wrong(rows: Sequence[tuple[Row, str]], *, share: float, seed: int) -> list[tuple[Row, str]]:
    """Rows of which a share of the training ones has a label drawn by chance."""
    chance, labels = random.Random(seed), sorted({str(row.answer) for row, _ in rows})
    return [
        (replace(row, answer=chance.choice(labels)), part)
        if part == "train" and chance.random() < share
        else (row, part)
        for row, part in rows
    ]


if __name__ == "__main__":
    run_bench("objectives.options", measure, about=__doc__)
