"""Luthier's training loop on tokenized rows, one epoch, step by step, in a process of its own.

    python -m bench.engine._luthier_loop ROWS OUT SEED SETTINGS

`SETTINGS` is a JSON object of training settings that differ from what is shipped; `{"replay": 0}` does the peers' work
and no other. Leaves the tuned model in OUT.
"""

import json
import sys
import tempfile
from pathlib import Path

from bench.datasets import write_dataset
from bench.engine._gate import Gate

from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.models.machine import keeping_freed_memory, use_all_cores
from luthier.records import Worded, nobody_listens
from luthier.train.batches import Steps, plan_steps
from luthier.train.config import TrainConfig
from luthier.train.setup import Job, Setup, set_up
from luthier.train.stopping import History

BASE = "smollm2-135m"


def main() -> None:
    """Train on every row once."""
    gate = Gate()
    file, out, seed, settings = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    threads = use_all_cores()
    config = TrainConfig.model_validate({"seed": seed, "epochs": 1.0, **settings})
    with tempfile.TemporaryDirectory() as folder, keeping_freed_memory():
        dataset = write_dataset(Path(folder) / "dataset", read(file), base=base, objective="chat")
        setup = set_up(Job(dataset, base, config, wording, Path(folder), nobody_listens))
        learner, plans = setup.learner, plan(setup)
        choices = setup.choices.as_rows()
        gate.ready(
            threads=threads,
            steps=len(plans),
            choices=choices,
            learning_rate=choices["learning_rate"]["value"],
            reasons=setup.reasons,
            computed_share=1.0 if setup.sharing is None else 1 - setup.sharing.saved,
        )
        history = History()
        for step in plans:
            gate.wait()
            learned = learner.learn(step, of=len(plans), history=history)
            gate.done(tokens=learned.tokens, loss=learned.loss)
        assert history.skipped == 0, "a step without a finite loss is no step"
        out.mkdir(parents=True, exist_ok=True)
        setup.method.save(out)
    gate.end()


def read(file: Path) -> list[Worded]:
    """The rows that all loops learn from."""
    rows = []
    for place, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        trained = tuple(map(bool, row["trained"]))
        labels = (row["label"],) if "label" in row else ()
        rows.append(Worded(f"{place:016x}", f"{place}", f"rows:{place}", tuple(row["ids"]), trained, labels, 1))
    return rows


def plan(setup: Setup) -> Steps:
    """One epoch's steps, as the stage plans them."""
    bundles = setup.sharing.bundles if setup.sharing is not None else None
    return plan_steps(
        setup.learner.lengths if bundles is None else bundles.sizes,
        epochs=1,
        batch_tokens=setup.choices.batch_tokens.value,
        seed=setup.config.seed,
        members=None if bundles is None else bundles.members,
    )


if __name__ == "__main__":
    main()
