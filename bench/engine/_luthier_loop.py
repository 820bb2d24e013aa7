"""One round of Luthier's training loop on rows in a file, in a process of its own.

    python -m bench.engine._luthier_loop ROWS STEPS SEED

Prints one JSON object. Loading, the base's own writing and the first step are not timed.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engine._rows import read_rows

from luthier.artifacts.folders import DatasetDir, building
from luthier.artifacts.rows import write_worded
from luthier.models.adapters import lora_layers
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.load import head_weight
from luthier.models.machine import keeping_freed_memory, multiply_rate, use_all_cores
from luthier.records import Message, Worded, nobody_listens
from luthier.train.batches import plan_steps
from luthier.train.config import TrainConfig
from luthier.train.setup import Job, Setup, set_up
from luthier.train.stopping import History

BASE = "smollm2-135m"


def main() -> None:
    """Train for a few steps and print what was measured."""
    file, steps, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    threads = use_all_cores()
    with tempfile.TemporaryDirectory() as folder, keeping_freed_memory():
        dataset = _dataset(Path(folder) / "dataset", _worded(file, wording), base=base, wording=wording)
        config = TrainConfig(seed=seed)
        setup = set_up(Job(dataset, base, config, wording, Path(folder), nobody_listens))
        found = _measure(setup, steps=steps, seed=seed)
    print(json.dumps({**found, "threads": threads, "reasons": setup.reasons}))


def _worded(file: Path, wording: Wording) -> list[Worded]:
    rows = []
    for place, messages in enumerate(read_rows(file)):
        chat = wording.chat_ids([Message("user", messages[0]["content"]), Message("assistant", messages[1]["content"])])
        rows.append(Worded(f"{place}", f"{place}", f"rows:{place}", chat.ids, chat.trained, None, chat.answer_bytes))
    return rows


def _dataset(folder: Path, rows: list[Worded], *, base: Base, wording: Wording) -> DatasetDir:
    with building(folder, DatasetDir, key="bench", settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        draft.facts |= {"objective": "chat", "base": base.name, "template_hash": wording.template_hash}
    return DatasetDir.open(folder)


def _measure(setup: Setup, *, steps: int, seed: int) -> dict[str, Any]:
    learner, batch = setup.learner, setup.choices.batch_tokens.value
    plans = plan_steps(learner.lengths, epochs=1 + steps, batch_tokens=batch, seed=seed)
    history = History()
    tokens, seconds = [], []
    for plan in plans[: steps + 1]:
        began = time.perf_counter()
        tokens.append(learner.learn(plan, of=len(plans), history=history).tokens)
        seconds.append(time.perf_counter() - began)
    assert history.skipped == 0, "a step without a finite loss is no step"
    return {
        "tokens": sum(tokens[1:]),
        "seconds": sum(seconds[1:]),
        "steps": steps,
        "batch_tokens": batch,
        **_floor(setup),
    }


def _floor(setup: Setup) -> dict[str, float]:
    """The speed at which the multiplications alone would run, in tokens per second (engine.md, section 3).

    Per token: 4 N for the frozen weights (forward, gradient of the input), 6 P for LoRA (and its own gradient), and
    4 V d for every token that carries loss.
    """
    rows = setup.learner.rows
    layers = [layer for _, layer in lora_layers(setup.loaded.model)]
    frozen = sum(layer.linear.weight.numel() for layer in layers)
    added = sum(layer.lora_A.numel() + layer.lora_B.numel() for layer in layers)
    head = head_weight(setup.loaded.model)
    labelled = sum(sum(row.trained) for row in rows) / sum(len(row.ids) for row in rows)
    operations = 4 * frozen + 6 * added + 4 * head.numel() * labelled
    rate = multiply_rate(head.dtype, repeats=40)
    return {"floor": rate / operations, "gflops": rate / 1e9, "labelled_share": labelled}


if __name__ == "__main__":
    main()
