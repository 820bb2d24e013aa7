"""Learning rates around that of `auto` where no other bench asks: preferences, entities and hidden words, real rows.

Each task trains as it ships but for the rate, and tells the loss of what ships on its validation rows, which belong to
no exam of another bench. It holds if no rate is better than that of `auto` by more than 5 % of the loss. Finished
trainings are kept in `bench/runs/rates`: run again to go on.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.datasets import write_dataset
from bench.kept import kept
from bench.objectives import ner
from bench.objectives._ner_ours import worded
from bench.objectives._quality_prefer import HELD_OUT, TRAINED, real_pairs
from bench.objectives._tasks import documents
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.machine import use_all_cores
from luthier.records import Worded
from luthier.train.config import TrainConfig
from luthier.train.stage import train

FACTORS = (1 / 3, 1.0, 3.0)
"""Of the rate of `auto`."""
CLOSE = 1.05
Parts = tuple[Sequence[Worded], Sequence[Worded], list[str]]
"""Rows to learn, rows to validate with, and labels."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt, and how."""

    base: str
    rows: Callable[[Wording], Parts]
    settings: Mapping[str, Any] = field(default_factory=dict)


def preferences(wording: Wording) -> Parts:
    """Pairs that the bench of quality leaves alone."""
    rows = real_pairs(wording, seed=0)[TRAINED + HELD_OUT :]
    return rows[:160], rows[160:260], []


def entities(wording: Wording) -> Parts:
    """Two of the agreements that `objectives.ner` learns from, and the third to validate with."""
    labels, parts = ner.sentences(wording)
    sides = [[asdict(row) for row in parts["learn"] if row.passage.startswith("3-") == held] for held in (False, True)]
    return worded(sides[0]), worded(sides[1]), labels


def hidden_words(wording: Wording) -> Parts:
    """Paragraphs of the manual, whole pages on one side."""
    told = sorted(documents(Path()), key=lambda row: (row.group, row.text))
    rows = [wording.fill_row(row.text, row_id=f"{at:016x}", group=row.group, at="") for at, row in enumerate(told)]
    pages = sorted({row.group for row in rows})
    held = set(pages[::6])
    sides: tuple[list[Worded], list[Worded]] = ([], [])
    for row in rows:
        sides[row.group in held].append(row)
    return *sides, []


TASKS = {
    "prefer": Task("smollm2-135m", preferences, {"epochs": 2.0, "replay": 0.0}),
    "tag": Task("minilm-l6", entities),
    "fill": Task("minilm-l6", hidden_words, {"epochs": 6.0}),
}


def measure(asked: Asked) -> Outcome:
    """All tasks at all rates; the quick form takes one rate and a twentieth of the rows, for a moment."""
    use_all_cores()
    found: dict[str, dict[str, float]] = {}
    for name, task in TASKS.items():
        auto = _trained(name, task, asked, rate=None)
        found[name] = {f"{auto['rate']:g}": auto["loss"]}
        for factor in FACTORS if not asked.quick else ():
            rate = float(f"{factor * auto['rate']:.2g}")
            if factor != 1:
                found[name][f"{rate:g}"] = _trained(name, task, asked, rate=rate)["loss"]
    behind = {name: next(iter(losses.values())) / min(losses.values()) for name, losses in found.items()}
    return Outcome(
        holds=max(behind.values()) <= CLOSE,
        value={name: round(each, 3) for name, each in behind.items()},
        bar=f"validation loss of `auto`'s rate <= {CLOSE:g} x the best of {len(FACTORS)} rates, every task",
        detail=found,
    )


def _trained(name: str, task: Task, asked: Asked, *, rate: float | None) -> dict[str, Any]:
    """Rate, and validation loss of the model that this rate makes; None: that of `auto`."""
    settings = {**task.settings, "seed": asked.seed, **({} if rate is None else {"learning_rate": rate})}
    settings |= {"epochs": 0.1} if asked.quick else {}
    about = {"task": name, "settings": settings, "quick": asked.quick}
    found = kept("rates", about, lambda: _train(name, task, settings, quick=asked.quick), ours=True)
    say(f"{name} at {found['rate']:g}: validation loss {found['loss']:.4f}; {found['story']}")
    return found


def _train(name: str, task: Task, settings: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    base = resolve_base(task.base, relative_to=Path())
    learn, validate, labels = task.rows(load_wording(base.folder))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        told = {"objective": name, "labels": labels, "validation": validate}
        dataset = write_dataset(folder / "dataset", learn[:: 20 if quick else 1], base=base, **told)
        config = TrainConfig.model_validate(settings)
        facts = train(dataset, base=base, config=config, out=folder / "run" / "model").manifest.facts
    rate = float(facts["choices"]["learning_rate"]["value"])
    return {"rate": rate, "loss": facts["best_validation_loss"], "story": facts["story"]}


if __name__ == "__main__":
    run_bench("objectives.rates", measure, about=__doc__)
