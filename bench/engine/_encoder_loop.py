"""Luthier's training of a classifier on an encoder, step by step, in a process of its own.

    python -m bench.engine._encoder_loop ROWS LABELS EPOCHS SEED lora|full

Every step learns from 64 rows. Ends with the labels that the saved model gives to the rows that are asked.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from bench.engine._gate import Gate
from bench.engine._labelled import Told, read_told

from luthier.artifacts.folders import DatasetDir, ModelDir, building
from luthier.artifacts.rows import write_worded
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording, save_wording
from luthier.models.engines.hf import load_engine
from luthier.models.machine import keeping_freed_memory, use_all_cores
from luthier.records import Worded, nobody_listens
from luthier.train.batches import StepPlan
from luthier.train.config import TrainConfig
from luthier.train.setup import Job, Setup, set_up
from luthier.train.stopping import History

BASE = "minilm-l6"
ROWS_A_STEP = 64


def main() -> None:
    """Train on every row EPOCHS times, then answer."""
    gate = Gate()
    file, labels, epochs, seed, method = sys.argv[1:]
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    threads = use_all_cores()
    told = read_told(Path(file))
    config = TrainConfig.model_validate({"seed": int(seed), "epochs": float(epochs), "method": method})
    with tempfile.TemporaryDirectory() as folder, keeping_freed_memory():
        dataset = _dataset(Path(folder) / "dataset", told["train"], int(labels), base=base, wording=wording)
        job = Job(dataset, base, config, wording, Path(folder), nobody_listens)
        setup = set_up(job)
        learner = setup.learner
        plans = _plans(len(learner.rows), int(epochs), seed=int(seed))
        gate.ready(
            threads=threads,
            steps=len(plans),
            choices=setup.choices.as_rows(),
            learning_rate=setup.choices.learning_rate.value,
            reasons=setup.reasons,
        )
        history = History()
        for plan in plans:
            gate.wait()
            learned = learner.learn(plan, of=len(plans), history=history)
            gate.done(tokens=learned.tokens, loss=learned.loss)
        assert history.skipped == 0, "a step without a finite loss is no step"
        gate.end(labels=_answers(setup, told["asked"], job=job))


def _dataset(folder: Path, rows: list[Told], labels: int, *, base: Base, wording: Wording) -> DatasetDir:
    """A dataset folder as prepare leaves it, as far as training reads it."""
    worded = [
        Worded(f"{place:016x}", f"{place}", f"rows:{place}", row.ids, (False,) * len(row.ids), (row.label,))
        for place, row in enumerate(rows)
    ]
    with building(folder, DatasetDir, key="bench", settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", worded)
        write_worded(draft.path / "validation.parquet", [])
        draft.facts |= {"objective": "classify", "base": base.name, "template_hash": wording.template_hash}
        draft.facts["labels"] = [f"label {place}" for place in range(labels)]
    return DatasetDir.open(folder)


def _plans(rows: int, epochs: int, *, seed: int) -> list[StepPlan]:
    """64 rows a step, shuffled every epoch."""
    plans: list[StepPlan] = []
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(rows).tolist()
        for start in range(0, rows, ROWS_A_STEP):
            plans.append(StepPlan(len(plans) + 1, epoch + start / rows, tuple(order[start : start + ROWS_A_STEP])))
    return plans


def _answers(setup: Setup, asked: list[Told], *, job: Job) -> list[int]:
    """What the saved model answers when it is served."""
    folder = job.scratch / "model"
    facts = job.dataset.manifest.facts
    with building(folder, ModelDir, key="bench", settings={}, inputs={}) as draft:
        setup.method.save(draft.path)
        save_wording(draft.path, job.wording, base=job.base.folder)
        draft.facts |= {"objective": "classify", "labels": facts["labels"], "base_digest": job.base.digest}
    engine = load_engine(job.base, tuned=ModelDir.open(folder))
    return [int(place) for place in engine.classify([row.ids for row in asked]).argmax(axis=1)]


if __name__ == "__main__":
    main()
