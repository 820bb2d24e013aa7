"""Luthier's training of a classifier on an encoder, step by step, in a process of its own.

    python -m bench.engine._encoder_loop ROWS LABELS EPOCHS SEED lora|full

Every step learns from 64 rows. Ends with the labels that the saved model gives to the rows that are asked.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from bench.datasets import labelled_rows, write_dataset
from bench.engine._gate import Gate
from bench.engine._labelled import Told, read_told

from luthier.artifacts.folders import ModelDir, building
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording, save_wording
from luthier.models.engines.hf import load_engine
from luthier.models.machine import keeping_freed_memory, use_all_cores
from luthier.records import nobody_listens
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
        rows = labelled_rows([(row.ids, row.label) for row in told["train"]])
        names = [f"label {place}" for place in range(int(labels))]
        dataset = write_dataset(Path(folder) / "dataset", rows, base=base, objective="classify", labels=names)
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
