"""Three runs that learn by heart: 60 rows and 50 epochs, random labels, validation rows that are training rows.

Each goes through the whole pipeline on the default encoder. It holds if every run's own diagnosis names what is wrong
with it, and none ends in SHIP.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.datasets import forge_rows
from bench.objectives._tasks import Row, chapters, commonest, dealt, write_project
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import luthier, run_words, warm

from luthier.artifacts.folders import DatasetDir, ModelDir
from luthier.artifacts.rows import read_worded

BASE = "minilm-l6"
PARTS = {"train": 60, "validation": 60, "test": 200}
LABELS = 4
"""Chapters that are told apart, the most frequent ones."""
EXPECTED = {
    "60 rows, 50 epochs": {"over-fit", "too few data"},
    "random labels": {"labels noisy"},
    "train = validation": {"validation copied"},
}
"""Kinds of findings of which a run must name one."""


def measure(asked: Asked) -> Outcome:
    """All three; the quick form trains for ten epochs."""
    warm(BASE)
    with tempfile.TemporaryDirectory() as folder:
        rows = commonest(chapters(Path(folder) / "read"), LABELS)
        say(f"{len(rows):,} diagnoses of {LABELS} chapters")
        drill = _Drill(Path(folder), epochs=10.0 if asked.quick else 50.0, seed=asked.seed)
        found = {
            "60 rows, 50 epochs": drill.run("few", rows, PARTS),
            "random labels": drill.run("random", _shuffled(rows, asked.seed), {**PARTS, "train": 300}),
            "train = validation": drill.run("copied", rows, PARTS, between=_copy_training_rows),
        }
    for name, one in found.items():
        one["as demanded"] = bool(EXPECTED[name] & set(one["kinds"])) and one["verdict"] != "SHIP"
        say(f"{name}: {one['verdict']}; {one['words']}")
    right = sum(one["as demanded"] for one in found.values())
    return Outcome(holds=right == len(found), value=right, bar=f"{len(found)} of {len(found)}", detail=found)


class _Drill:
    """Runs of one length in one folder."""

    def __init__(self, folder: Path, *, epochs: float, seed: int) -> None:
        self.folder = folder
        self.train = {"epochs": epochs, "seed": seed}
        self.seed = seed

    def run(
        self,
        name: str,
        rows: Sequence[Row],
        parts: dict[str, int],
        *,
        between: Callable[[DatasetDir], None] | None = None,
    ) -> dict[str, Any]:
        """Diagnosis and verdict of a run on these rows; `between` prepare and train something may happen."""
        project = write_project(
            self.folder / name,
            dealt(rows, parts, seed=self.seed),
            name=name,
            objective="classify",
            base=BASE,
            train=self.train,
        )
        words = run_words(project)[1:]
        if between is not None:
            luthier("collect", *words).result()
            between(DatasetDir.open(Path(luthier("prepare", *words).result()["run"]) / DatasetDir.kind))
        result = luthier("run", *words).result()
        model = ModelDir.open(Path(result["run"]) / ModelDir.kind)
        findings = model.manifest.facts["diagnosis"]
        return {
            "verdict": result["verdict"],
            "kinds": [finding["kind"] for finding in findings],
            "words": "; ".join(f"{finding['kind']}: {finding['words']}" for finding in findings),
            "story": model.manifest.facts["story"],
            "counts": dict(model.manifest.counts),
        }


def _shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    """The same texts with labels that follow from nothing."""
    chance = random.Random(seed)
    labels = sorted({row.answer for row in rows})
    return [replace(row, answer=chance.choice(labels)) for row in rows]


def _copy_training_rows(dataset: DatasetDir) -> None:
    """Put training rows into the place of the validation rows, under other ids, and repair the manifest."""
    rows = read_worded(dataset.file("train.parquet"))
    copies = [replace(row, id=f"{place:016x}", group=f"copy {place}") for place, row in enumerate(rows)]
    forge_rows(dataset, "validation.parquet", copies)


if __name__ == "__main__":
    run_bench("objectives.overfit", measure, about=__doc__)
