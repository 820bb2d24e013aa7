"""Our tagger, trained and asked as it ships, in a process of its own.

    python -m bench.objectives._ner_ours ROWS SEED SETTINGS

Prints the label of every word of the exam's sentences.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.datasets import write_dataset

from luthier.models.bases import resolve_base
from luthier.models.engines.hf import load_engine
from luthier.records import Worded
from luthier.train.config import TrainConfig
from luthier.train.stage import train

BASE = "minilm-l6"


def main() -> None:
    """Train, load what was saved, and answer."""
    file, seed, settings = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    told = json.loads(file.read_text(encoding="utf-8"))
    base = resolve_base(BASE, relative_to=Path())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learn, validate = worded(told["learn"]), worded(told["validate"])
        dataset = write_dataset(
            folder / "dataset", learn, base=base, objective="tag", labels=told["labels"], validation=validate
        )
        config = TrainConfig.model_validate({"seed": seed, **settings})
        started = time.perf_counter()
        model = train(dataset, base=base, config=config, out=folder / "model")
        seconds = time.perf_counter() - started
        chances = load_engine(base, tuned=model).tag([row["ids"] for row in told["ask"]])
        facts = model.manifest.facts
    labels = [each[row["first"]].argmax(axis=1).tolist() for each, row in zip(chances, told["ask"], strict=True)]
    choices = {name: each["value"] for name, each in facts["choices"].items()}
    found = {"seconds": seconds, "epochs": choices["epochs"], "choices": choices, "story": facts["story"]}
    print(json.dumps({**found, "labels": labels}))


def worded(rows: list[dict[str, Any]]) -> list[Worded]:
    """Rows as prepare leaves them."""
    return [
        Worded(
            f"{place:016x}",
            row["passage"],
            f"rows:{place}",
            tuple(row["ids"]),
            tuple(row["first"]),
            tuple(row["labels"]),
        )
        for place, row in enumerate(rows)
    ]


if __name__ == "__main__":
    main()
