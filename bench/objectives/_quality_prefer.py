"""DPO against TRL's DPOTrainer: same pairs, rate, schedule and adapter; win rate on categories never trained on.

The pairs are those of the example `preferred-answers`. Both leave a `peft` folder; one engine reads both in float32.
"""

import json
import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.datasets import write_dataset
from bench.engine.t1 import TRL
from bench.kept import kept
from bench.objectives._sides import compared, nats_of, run_peer
from bench.peers import peer_python
from bench.record import ROOT, Asked, say

from luthier.artifacts.folders import ModelDir
from luthier.evaluate.metrics.pairs import chosen_share
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.machine import use_all_cores
from luthier.records import Message, Worded
from luthier.train.config import TrainConfig
from luthier.train.stage import train

VERSIONS = {"TRL": TRL[0], "TRL's transformers": TRL[2], "TRL's peft": TRL[3]}
PAIRS = ROOT / "examples" / "preferred-answers" / "data" / "reviewed_answers.jsonl"
BASE = "smollm2-135m"
TRAINED, HELD_OUT = 128, 96
TOGETHER = 8
"""Pairs of a step."""
BETA = 0.1
SEEDS = 3
Answers = tuple[float, float]


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Three seeds; the quick form takes one, on a tenth of the rows."""
    use_all_cores()
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    share = 10 if asked.quick else 1
    rows = real_pairs(wording, seed=asked.seed)
    bout = _Bout(base, wording, rows[: TRAINED // share], rows[TRAINED : TRAINED + HELD_OUT // share])
    before, wins, losses = bout.run("base", 0)["logp"], {"ours": [], "peer": []}, {"ours": [], "peer": []}
    rate = 0.0
    for seed in range(asked.seed, asked.seed + (1 if asked.quick else SEEDS)):
        for who in wins:
            found = bout.run(who, seed, rate=rate)
            rate = found["rate"]
            leads = _leads(found["logp"], before)
            wins[who].append([chosen_share(lead) for lead in leads])
            losses[who].append(float(np.mean([math.log1p(math.exp(-BETA * lead)) for lead in leads])))
        say(f"seed {seed}: win rate ours {np.mean(wins['ours'][-1]):.3f}, TRL {np.mean(wins['peer'][-1]):.3f}")
    found = compared(wins, [row.group for row in bout.held], metric="win rate")
    return {"prefer (dpo)": {**found, "loss on held-out pairs": losses, "pairs": len(bout.trained), "rate": rate}}


@dataclass(frozen=True, slots=True)
class _Bout:
    """Pairs that both sides learn from, and those that tell."""

    base: Base
    wording: Wording
    trained: Sequence[Worded]
    held: Sequence[Worded]

    def run(self, who: str, seed: int, *, rate: float = 0.0) -> dict[str, Any]:
        """Log-likelihoods of both answers of every held-out pair under what one makes (`ours`, `peer`, the `base`), and
        the rate, which is that of our `auto`; the peer takes it over.
        """
        rows = [list(row.ids) for row in (*self.trained, *self.held)]
        about = {"who": who, "seed": seed, "beta": BETA, "together": TOGETHER, "rows": rows}
        about |= {"rate": rate} if who == "peer" else {}
        return kept("quality-prefer", about, lambda: self._made(who, seed, rate), ours=who == "ours")

    def _made(self, who: str, seed: int, rate: float) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as name:
            folder, adapter = Path(name), None
            if who == "ours":
                model = _ours(folder, self.base, self.wording, self.trained, seed)
                adapter, rate = model.path, float(model.manifest.facts["choices"]["learning_rate"]["value"])
            if who == "peer":
                adapter = _theirs(folder, self.base, self.trained, seed, rate=rate)
            texts = [_alone(row, start, end) for row in self.held for start, end in ((0, row.ends[0]), row.ends)]
            nats = nats_of(self.base, self.wording, adapter, texts)
        pairs = zip(nats[0::2], nats[1::2], strict=True)
        return {"rate": rate, "logp": [(-better, -worse) for better, worse in pairs]}


def real_pairs(wording: Wording, *, seed: int) -> list[Worded]:
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


def _ours(folder: Path, base: Base, wording: Wording, rows: Sequence[Worded], seed: int) -> ModelDir:
    """Our model after one epoch."""
    dataset = write_dataset(folder / "dataset", rows, base=base, objective="prefer")
    tokens = [len(row.ids) - row.trained.index(True) for row in rows]
    settings = {"preference": "dpo", "beta": BETA, "epochs": 1.0, "scale": 1.0, "replay": 0.0}
    settings |= {"share_prefixes": "on", "batch_tokens": round(TOGETHER * float(np.mean(tokens))), "seed": seed}
    return train(dataset, base=base, config=TrainConfig.model_validate(settings), out=folder / "run" / "model")


def _theirs(folder: Path, base: Base, rows: Sequence[Worded], seed: int, *, rate: float) -> Path:
    """TRL's adapter after one epoch."""
    told = []
    for row in rows:
        start, (chosen, rejected) = row.trained.index(True), row.texts
        told.append({"prompt_ids": row.ids[:start], "chosen_ids": chosen[start:], "rejected_ids": rejected[start:]})
    asked = {"rows": told, "base": str(base.folder), "seed": seed, "rate": rate, "beta": BETA, "together": TOGETHER}
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    run_peer(peer_python("trl", requirements=TRL), "_trl_loop.py", folder)
    return folder / "trl"


def _alone(row: Worded, start: int, end: int) -> Worded:
    return Worded(row.id, row.group, row.at, row.ids[start:end], row.trained[start:end])


def _leads(after: Sequence[Answers], before: Sequence[Answers]) -> list[float]:
    """By how many nats the better answer gained more than the worse."""
    return [(now[0] - then[0]) - (now[1] - then[1]) for now, then in zip(after, before, strict=True)]
