"""Answers against TRL's SFTTrainer: same rows, rate, schedule and adapter; likelihood of answers to other questions.

The rows are those of the example `medical-coding`, as prepare leaves them; the held-out ones are of categories never
trained on. Both leave a `peft` folder; one engine reads both in float32.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench.datasets import write_dataset
from bench.engine.t1 import TRL
from bench.kept import kept
from bench.objectives._sides import compared, nats_of, run_peer
from bench.peers import peer_python
from bench.record import Asked, say
from bench.runs import DEMO, WORKSHOP, luthier

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import load_wording
from luthier.models.machine import use_all_cores
from luthier.records import Worded
from luthier.train.config import TrainConfig
from luthier.train.stage import train

VERSIONS = {"TRL": TRL[0], "TRL's transformers": TRL[2], "TRL's peft": TRL[3]}
BASE = "smollm2-135m"
TRAINED, HELD_OUT = 128, 96
TOGETHER = 8
"""Rows of a step."""
SEEDS = 3


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Three seeds; the quick form takes one, on a tenth of the rows."""
    use_all_cores()
    base = resolve_base(BASE, relative_to=Path())
    share = 10 if asked.quick else 1
    trained, held = _rows(TRAINED // share, HELD_OUT // share)
    nats = _run("base", base, trained, held)["nats"]
    scores: dict[str, list[list[float]]] = {"ours": [], "peer": []}
    rate = 0.0
    for seed in range(asked.seed, asked.seed + (1 if asked.quick else SEEDS)):
        for who in scores:
            found = _run(who, base, trained, held, seed=seed, rate=rate)
            rate = found["rate"]
            scores[who].append(_scores(found["nats"], held))
        told = {who: f"{-np.mean(each[-1]):.4f}" for who, each in scores.items()}
        say(f"seed {seed}: nats per token ours {told['ours']}, TRL {told['peer']}")
    found = compared(scores, [row.group for row in held], metric="log-likelihood per token of an answer")
    return {"chat": {**found, "base": float(np.mean(_scores(nats, held))), "rows": len(trained), "rate": rate}}


def _scores(nats: Sequence[float], rows: Sequence[Worded]) -> list[float]:
    return [-value / sum(row.trained) for value, row in zip(nats, rows, strict=True)]


def _rows(count: int, held: int) -> tuple[list[Worded], list[Worded]]:
    """Rows to learn from and rows to score; their ids are hashes, so the first ones by id are a sample."""
    for stage in ("collect", "prepare"):
        made = luthier(stage, str(DEMO), "--out", str(WORKSHOP / "quality-chat-rows"), "--json").result()
    dataset = Path(made["run"]) / DatasetDir.kind
    parts = [read_worded(dataset / f"{name}.parquet") for name in ("train", "validation")]
    learnt, others = (sorted(part, key=lambda row: row.id) for part in parts)
    return learnt[:count], others[:held]


def _run(
    who: str, base: Base, trained: Sequence[Worded], held: Sequence[Worded], *, seed: int = 0, rate: float = 0.0
) -> dict[str, Any]:
    """Nats of every held-out row under what `ours`, `peer` or the `base` makes of the others, and the rate, which is
    that of our `auto`; the peer takes it over.
    """
    about = {"who": who, "seed": seed, "together": TOGETHER, "rows": [list(row.ids) for row in (*trained, *held)]}
    about |= {"rate": rate} if who == "peer" else {}

    def make() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tuned = {"base": (None, rate)}.get(who) or _train(who, folder, base, trained, seed=seed, rate=rate)
            return {"rate": tuned[1], "nats": nats_of(base, load_wording(base.folder), tuned[0], held)}

    return kept("quality-chat", about, make, ours=who == "ours")


def _train(who: str, folder: Path, base: Base, rows: Sequence[Worded], *, seed: int, rate: float) -> tuple[Path, float]:
    """The adapter of one side after one epoch, and the rate."""
    if who == "ours":
        dataset = write_dataset(folder / "dataset", rows, base=base, objective="chat")
        tokens = float(np.mean([len(row.ids) for row in rows]))
        settings = {"epochs": 1.0, "scale": 1.0, "replay": 0.0, "seed": seed, "share_prefixes": "off"}
        config = TrainConfig.model_validate({**settings, "batch_tokens": round(TOGETHER * tokens)})
        model = train(dataset, base=base, config=config, out=folder / "run" / "model")
        return model.path, float(model.manifest.facts["choices"]["learning_rate"]["value"])
    told = [
        {
            "input_ids": row.ids,
            "labels": [at if learnt else -100 for at, learnt in zip(row.ids, row.trained, strict=True)],
        }
        for row in rows
    ]
    asked = {"rows": told, "base": str(base.folder), "seed": seed, "rate": rate, "together": TOGETHER}
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    run_peer(peer_python("trl", requirements=TRL), "_trl_loop.py", folder)
    return folder / "trl", rate
