"""DPO against TRL's DPOTrainer: same pairs, rate, schedule and adapter; win rate on categories never trained on.

The pairs are those of the example `preferred-answers`. Both leave a `peft` folder; one engine reads both in float32.
"""

import json
import math
import os
import random
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench.engine._luthier_loop import write_dataset
from bench.engine.t1 import TRL
from bench.peers import peer_python
from bench.record import ROOT, Asked, say
from scipy.special import stdtrit

from luthier.evaluate.metrics.pairs import chosen_share
from luthier.models.adapters import inject, load_adapter, load_adapter_state
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.engines.hf import Engine
from luthier.models.load import load_model
from luthier.models.machine import use_all_cores
from luthier.objectives import objective
from luthier.records import Message, Worded
from luthier.train.config import TrainConfig
from luthier.train.stage import train

VERSIONS = {"TRL": TRL[0], "TRL's transformers": TRL[2], "TRL's peft": TRL[3]}
PAIRS = ROOT / "examples" / "preferred-answers" / "data" / "reviewed_answers.jsonl"
BASE = "smollm2-135m"
TRAINED, HELD_OUT = 320, 240
TOGETHER = 8
"""Pairs of a step."""
RATE = 1.3e-4
BETA = 0.1
SEEDS = 3
Answers = tuple[float, float]


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Three seeds; the quick form takes one, on a tenth of the rows."""
    use_all_cores()
    python = peer_python("trl", requirements=TRL)
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    share = 10 if asked.quick else 1
    rows = _rows(wording, seed=asked.seed)
    trained, held = rows[: TRAINED // share], rows[TRAINED : TRAINED + HELD_OUT // share]
    wins: dict[str, list[list[float]]] = {"ours": [], "peer": []}
    losses: dict[str, list[float]] = {"ours": [], "peer": []}
    before = _read(base, wording, None, held)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(asked.seed, asked.seed + (1 if asked.quick else SEEDS)):
            place = Path(folder) / f"{seed}"
            place.mkdir()
            tuned = {"ours": _ours(place, base, wording, trained, seed), "peer": place / "trl"}
            _theirs(python, place, base, trained, seed)
            for who, adapter in tuned.items():
                leads = _leads(_read(base, wording, adapter, held), before)
                wins[who].append([chosen_share(lead) for lead in leads])
                losses[who].append(float(np.mean([math.log1p(math.exp(-BETA * lead)) for lead in leads])))
            say(f"seed {seed}: win rate ours {np.mean(wins['ours'][-1]):.3f}, TRL {np.mean(wins['peer'][-1]):.3f}")
    scores = {who: np.array(found).mean(axis=0) for who, found in wins.items()}
    difference = scores["ours"] - scores["peer"]
    half = float(stdtrit(len(difference) - 1, 0.975) * difference.std(ddof=1) / math.sqrt(len(difference)))
    middle = float(difference.mean())
    found = {
        "difference": middle,
        "low": middle - half,
        "high": middle + half,
        **{who: float(score.mean()) for who, score in scores.items()},
        "loss on held-out pairs": losses,
        "pairs": len(trained),
        "items": len(held),
        "metric": "win rate",
    }
    return {"prefer (dpo)": found}


def _rows(wording: Wording, *, seed: int) -> list[Worded]:
    """All pairs as the model reads them, in random order."""
    pairs = [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    random.Random(seed).shuffle(pairs)
    rows = []
    for place, pair in enumerate(pairs):
        asked = Message("user", pair["prompt"])
        texts = [wording.chat_ids([asked, Message("assistant", pair[side])]) for side in ("chosen", "rejected")]
        ids, learnt = texts[0].ids + texts[1].ids, texts[0].trained + texts[1].trained
        about = (f"{place:016x}", pair["code"][:3], f"pairs:{place}")
        rows.append(Worded(*about, ids, learnt, answer_bytes=1, ends=(len(texts[0].ids), len(ids))))
    return rows


def _ours(folder: Path, base: Base, wording: Wording, rows: Sequence[Worded], seed: int) -> Path:
    """Our adapter after one epoch."""
    dataset = write_dataset(folder / "dataset", list(rows), base=base, wording=wording, objective="prefer")
    tokens = [len(row.ids) - row.trained.index(True) for row in rows]
    settings = {"preference": "dpo", "beta": BETA, "learning_rate": RATE, "epochs": 1.0, "scale": 1.0, "replay": 0.0}
    settings |= {"share_prefixes": "on", "batch_tokens": round(TOGETHER * float(np.mean(tokens))), "seed": seed}
    return train(dataset, base=base, config=TrainConfig.model_validate(settings), out=folder / "run" / "model").path


def _theirs(python: Path, folder: Path, base: Base, rows: Sequence[Worded], seed: int) -> None:
    """TRL's adapter after one epoch, in `folder/trl`; RuntimeError if the script fails."""
    told = []
    for row in rows:
        start, (chosen, rejected) = row.trained.index(True), row.texts
        told.append({"prompt_ids": row.ids[:start], "chosen_ids": chosen[start:], "rejected_ids": rejected[start:]})
    asked = {"rows": told, "base": str(base.folder), "seed": seed, "rate": RATE, "beta": BETA, "together": TOGETHER}
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(python), str(ROOT / "bench" / "objectives" / "_trl_dpo_loop.py"), str(folder)]
    done = subprocess.run(
        words, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"TRL failed:\n{done.stderr[-3000:]}")


def _read(base: Base, wording: Wording, adapter: Path | None, rows: Sequence[Worded]) -> list[Answers]:
    """Log-likelihoods of both answers of every row."""
    loaded = load_model(base, objective("prefer"), dtype=torch.float32)
    if adapter is not None:
        shape, state = load_adapter(adapter)
        inject(loaded.model, shape, skip=loaded.skip, seed=0)
        load_adapter_state(loaded.model, state, heads=())
    engine = Engine(loaded.model, wording=wording, labels=(), has_adapter=adapter is not None)
    texts = [_alone(row, start, end) for row in rows for start, end in ((0, row.ends[0]), row.ends)]
    nats = engine.nats(texts, adapter=adapter is not None)
    return [(-better, -worse) for better, worse in zip(nats[0::2], nats[1::2], strict=True)]


def _alone(row: Worded, start: int, end: int) -> Worded:
    return Worded(row.id, row.group, row.at, row.ids[start:end], row.trained[start:end])


def _leads(after: Sequence[Answers], before: Sequence[Answers]) -> list[float]:
    """By how many nats the better answer gained more than the worse."""
    return [(now[0] - then[0]) - (now[1] - then[1]) for now, then in zip(after, before, strict=True)]
