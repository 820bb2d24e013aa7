"""Taggers and extractors against the losses of `transformers` for token classification and question answering."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from bench.datasets import write_dataset
from bench.engine.t3 import STRENGTH
from bench.engine.t3 import compare as errors_of
from bench.objectives.ner import PEERS, sentences
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
from luthier.train.setup import Job, Setup, set_up

VERSIONS = {"transformers": PEERS[0], "peft": PEERS[2]}
BASE = "minilm-l6"
ROWS = 8
MICRO = 128
"""Tokens computed at once: the batch takes several."""
CASES = [(goal, method) for goal in ("tag", "extract") for method in ("lora", "full")]


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Errors of every case; the quick form takes the adapters."""
    use_all_cores()
    python = peer_python("encoders", requirements=PEERS)
    base = resolve_base(BASE, relative_to=Path())
    found: dict[str, Mapping[str, Any]] = {}
    for goal, method in CASES[::2] if asked.quick else CASES:
        with tempfile.TemporaryDirectory() as folder:
            ours = _ours(goal, method, Path(folder), base)
            theirs = _theirs(python, Path(folder))
            gradients, slopes = (load_file(Path(folder) / f"{who}.safetensors") for who in ("ours", "transformers"))
        name = f"{goal}, {'LoRA' if method == 'lora' else 'all weights'}"
        found[name] = errors_of(ours, gradients, theirs, slopes)
        told = ", ".join(f"{key} off by {found[name][key]:.1e}" for key in ("loss", "gradient"))
        say(f"{name}, against transformers: loss {theirs:.6f}; {told}")
    return found


def _ours(goal: str, method: str, folder: Path, base: Base) -> float:
    """Our loss; gradients, rows and the untrained model are left in `folder`."""
    wording = load_wording(base.folder)
    labels, rows = real_rows(goal, wording)
    dataset = write_dataset(folder / "dataset", rows, base=base, objective=goal, labels=labels)
    settings = {"method": method, "micro_batch_tokens": MICRO, "dtype": "float32"}
    job = Job(dataset, base, TrainConfig.model_validate(settings), wording, folder, nobody_listens)
    setup = set_up(job)
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=STRENGTH, generator=generator)
    for module in setup.loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # nobody else draws our random numbers
    (folder / "tuned").mkdir()
    setup.method.save(folder / "tuned")
    facts = {"goal": goal, "method": method, "base": str(base.folder), "labels": len(labels)}
    (folder / "case.json").write_text(json.dumps({**facts, "rows": [asdict(row) for row in rows]}), encoding="utf-8")
    loss, gradients = _gradient(setup, rows)
    save_file(gradients, folder / "ours.safetensors")
    return loss


def real_rows(goal: str, wording: Wording) -> tuple[list[str], list[Worded]]:
    """Sentences of loan agreements with their labels; or a question about one, and its first entity as the answer."""
    labels, parts = sentences(wording)
    told = [row for row in parts["learn"] if any(row.labels)][:ROWS]
    about = [(f"{place:016x}", row.passage, f"rows:{place}") for place, row in enumerate(told)]
    if goal == "tag":
        return labels, [Worded(*at, row.ids, row.first, row.labels) for at, row in zip(about, told, strict=True)]
    question = wording.text_ids("Which party is named first?")
    rows = []
    for at, row in zip(about, told, strict=True):
        words = [place for place, first in enumerate(row.first) if first]
        answer = len(question) - 1 + words[[label > 0 for label in row.labels].index(True)]
        ids = question + row.ids[1:]
        ends = (len(question), len(ids))
        rows.append(Worded(*at, ids, (False,) * len(ids), (answer, answer + 1), 0, ends))
    return [], rows


def _gradient(setup: Setup, rows: Sequence[Worded]) -> tuple[float, dict[str, Tensor]]:
    """Mean loss of all rows as one step, cut as training cuts it, and the gradients by the names others have."""
    learner, total, held = setup.learner, 0.0, dict(enumerate(rows))
    units = learner.loss.units(rows)
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
    """The loss of `transformers`; the gradients are left in the folder. RuntimeError if the script fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(python), str(ROOT / "bench" / "objectives" / "_hf_token_loss.py"), str(folder)]
    done = subprocess.run(
        words, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"transformers failed:\n{done.stderr[-3000:]}")
    return float(done.stdout.strip().splitlines()[-1])
