"""Embedders against sentence-transformers' MultipleNegativesRankingLoss, its cached form, and CoSENTLoss."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from bench.datasets import write_dataset
from bench.engine.t3 import STRENGTH
from bench.engine.t3 import compare as errors_of
from bench.objectives._synonyms import read_pairs, worded_row
from bench.objectives.ner import PEERS
from bench.peers import peer_python
from bench.record import ROOT, Asked, say
from safetensors.torch import load_file, save_file
from torch import Tensor

from luthier.models.adapters import PREFIX, lora_layers
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.machine import use_all_cores
from luthier.records import Worded, nobody_listens
from luthier.train.config import TrainConfig
from luthier.train.learner import LooksAhead
from luthier.train.setup import Job, Setup, set_up

VERSIONS = {"sentence-transformers": PEERS[-1], "transformers": PEERS[0], "peft": PEERS[2]}
BASE = "minilm-l6"
ROWS = 16
MICRO = 128
"""Tokens computed at once where gradients are cached: the batch takes several."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to learn vectors."""

    kind: str
    method: str = "lora"

    @property
    def name(self) -> str:
        """In words."""
        return f"embed, {self.kind}, {'LoRA' if self.method == 'lora' else 'all weights'}"


CASES = (Case("pairs, cached"), Case("scored pairs"), Case("pairs"), Case("triplets"), Case("pairs, cached", "full"))


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Errors of every case; the quick form takes the first two."""
    use_all_cores()
    python = peer_python("encoders", requirements=PEERS)
    base = resolve_base(BASE, relative_to=Path())
    found: dict[str, Mapping[str, Any]] = {}
    for case in CASES[:2] if asked.quick else CASES:
        with tempfile.TemporaryDirectory() as folder:
            ours = _ours(case, Path(folder), base)
            theirs = _theirs(python, Path(folder))
            gradients, slopes = (load_file(Path(folder) / f"{who}.safetensors") for who in ("ours", "peer"))
        found[case.name] = errors_of(ours, gradients, theirs, slopes)
        told = ", ".join(f"{key} off by {found[case.name][key]:.1e}" for key in ("loss", "gradient"))
        say(f"{case.name}, against sentence-transformers: loss {theirs:.6f}; {told}")
    return found


def _ours(case: Case, folder: Path, base: Base) -> float:
    """Our loss; gradients, rows and the untrained model are left in `folder`."""
    wording = load_wording(base.folder)
    rows = real_rows(case.kind, wording)
    dataset = write_dataset(folder / "dataset", rows, base=base, objective="embed")
    micro = MICRO if case.kind.endswith("cached") else 100_000
    config = TrainConfig.model_validate({"method": case.method, "micro_batch_tokens": micro, "dtype": "float32"})
    setup = set_up(Job(dataset, base, config, wording, folder, nobody_listens))
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=STRENGTH, generator=generator)
    for module in setup.loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # nobody else draws our random numbers
    setup.loaded.model.config.attention_probs_dropout_prob = 0.0
    (folder / "tuned").mkdir()
    setup.method.save(folder / "tuned")
    columns = [[list(row.texts[place]) for row in rows] for place in range(len(rows[0].texts))]
    scores = [0.0 if row.score is None else row.score for row in rows]
    facts = {"kind": case.kind, "method": case.method, "base": str(base.folder), "columns": columns, "scores": scores}
    (folder / "case.json").write_text(json.dumps(facts), encoding="utf-8")
    loss, gradients = _gradient(setup, rows)
    save_file(gradients, folder / "ours.safetensors")
    return loss


def real_rows(kind: str, wording: Wording) -> list[Worded]:
    """Terms and titles, none of them twice; with a title of no row as a negative, or with scores."""
    told = {title: term for term, title, _ in read_pairs()}
    known = [(term, title) for title, term in told.items()]
    pairs, strange = known[: 8 * ROWS : 8], known[4 : 8 * ROWS : 8]
    rows = []
    for place, (term, title) in enumerate(pairs):
        others = [strange[place][1]] if kind == "triplets" else []
        texts = [term, pairs[place - 1][1] if kind == "scored pairs" and place % 2 else title, *others]
        score = (place % 4) / 4 if kind == "scored pairs" else None
        rows.append(worded_row(wording, place, texts, group=f"{place}", score=score))
    return rows


def _gradient(setup: Setup, rows: Sequence[Worded]) -> tuple[float, dict[str, Tensor]]:
    """Mean loss of all rows as one step, cut as training cuts it, and the gradients by the names others have."""
    learner, total, held = setup.learner, 0.0, dict(enumerate(rows))
    units = learner.loss.units(rows)
    assert isinstance(learner.loss, LooksAhead)
    learner.loss.look_ahead(learner.model, held, among=rows, cut=learner.cut)
    for piece in learner.cut(held):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / units).backward()
        total += float(summed.nats.detach())
    adapted = any(lora_layers(learner.model))
    return total / units, {
        f"{PREFIX if adapted else ''}{name}{'.weight' if '.lora_' in name else ''}": weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }


def _theirs(python: Path, folder: Path) -> float:
    """The peer's loss; the gradients are left in the folder. RuntimeError if the script fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(python), str(ROOT / "bench" / "objectives" / "_sentence_loss.py"), str(folder)]
    done = subprocess.run(
        words, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"sentence-transformers failed:\n{done.stderr[-3000:]}")
    return float(done.stdout.strip().splitlines()[-1])
