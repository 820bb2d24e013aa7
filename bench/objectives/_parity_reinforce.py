"""Grades of a model's own answers against TRL's GRPOTrainer: the same prompts, answers, rewards and likelihoods.

Answers are drawn by us and rewarded by chance, and the adapter moves on before the loss is computed: ratios differ from
one, and some are clipped. Where the two of us differ by more than the bar, TRL computes once more in float64, as for
preferences.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from bench.datasets import write_dataset
from bench.engine._rows import standard_rows
from bench.engine.t1 import TRL
from bench.engine.t3 import BAR, STRENGTH
from bench.engine.t3 import compare as errors_of
from bench.objectives._sides import run_peer
from bench.peers import peer_python
from bench.record import Asked, say
from safetensors.torch import load_file, save_file
from torch import Tensor

from luthier.graders.marking import Grading, graders_of
from luthier.models.adapters import PREFIX, lora_layers
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.machine import use_all_cores
from luthier.records import Message, Worded, nobody_listens
from luthier.train.config import TrainConfig
from luthier.train.losses.reinforce import ReinforceLoss
from luthier.train.setup import Job, Setup, set_up

VERSIONS = {"TRL": TRL[0], "TRL's transformers": TRL[2], "TRL's peft": TRL[3]}
BASE = "smollm2-135m"
PROMPTS, SAMPLES, TOKENS = 4, 4, 24
MICRO = 256
"""Tokens computed at once: the batch takes several."""
MORE = 8
"""Requests drawn for each prompt, of which the shortest are taken."""
CHANCE = "[aeiou]$"
"""An answer is rewarded if it ends in a vowel, which some do."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to learn from grades."""

    method: str = "lora"
    kl: float = 0.0
    scaled: bool = False

    @property
    def name(self) -> str:
        """In words."""
        more = (f", KL {self.kl:g}" if self.kl else "") + (", scaled by spread" if self.scaled else "")
        return f"reinforce, {'LoRA' if self.method == 'lora' else 'all weights'}{more}"


CASES = (Case(kl=0.04, scaled=True), Case(), Case("full"))


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Errors of every case; the quick form takes the first, which has all parts."""
    use_all_cores()
    base = resolve_base(BASE, relative_to=Path())
    cases = CASES[:1] if asked.quick else CASES
    with tempfile.TemporaryDirectory() as name:
        folders = {case: Path(name) / f"{place}" for place, case in enumerate(cases)}
        ours = {case: _ours(case, folder, base, seed=asked.seed) for case, folder in folders.items()}
        found = _errors(folders, ours, "float32")
        unlike = [case for case, errors in found.items() if max(errors["loss"], errors["gradient"]) > BAR]
        for case, errors in _errors({case: folders[case] for case in unlike}, ours, "float64").items():
            apart = errors_of(*_result(folders[case], "float32"), *_result(folders[case], "float64"))
            found[case] = {**errors, "ours from TRL in float32": found[case], "TRL in float32": apart}
    return {case.name: errors for case, errors in found.items()}


def _errors(folders: Mapping[Case, Path], ours: Mapping[Case, float], way: str) -> dict[Case, Mapping[str, Any]]:
    """Errors of our losses and gradients against TRL's of this type."""
    if folders:
        run_peer(peer_python("trl", requirements=TRL), "_trl_reinforce_loss.py", way, *folders.values())
    found: dict[Case, Mapping[str, Any]] = {}
    for case, folder in folders.items():
        loss, slopes = _result(folder, way)
        found[case] = errors_of(ours[case], load_file(folder / "ours.safetensors"), loss, slopes)
        told = ", ".join(f"{key} off by {found[case][key]:.1e}" for key in ("loss", "gradient"))
        say(f"{case.name}, against TRL in {way}: loss {loss:.6f}; {told}")
    return found


def _result(folder: Path, way: str) -> tuple[float, dict[str, Tensor]]:
    """TRL's loss and gradients."""
    loss = json.loads((folder / f"trl-{way}.json").read_text(encoding="utf-8"))
    return float(loss), load_file(folder / f"trl-{way}.safetensors")


def _ours(case: Case, folder: Path, base: Base, *, seed: int) -> float:
    """Our loss; gradients, answers and the model as it is when it learns are left in `folder`."""
    folder.mkdir()
    wording = load_wording(base.folder)
    dataset = write_dataset(folder / "dataset", _prompts(seed, wording), base=base, objective="reinforce")
    terms = {"samples": SAMPLES, "answer_tokens": TOKENS, "kl": case.kl, "scale_by_spread": case.scaled}
    settings = {"method": case.method, "reinforce": terms, "micro_batch_tokens": MICRO, "dtype": "float32", "replay": 0}
    setup = set_up(Job(dataset, base, TrainConfig.model_validate(settings), wording, folder, nobody_listens))
    loss = setup.learner.loss
    assert isinstance(loss, ReinforceLoss)
    rows = list(loss.write(dict(enumerate(setup.learner.rows)), step=1).values())
    rewards = loss.told()
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=STRENGTH, generator=generator)
    if case.method == "full":
        for weight in setup.loaded.model.parameters():
            weight.data.add_(weight.data.abs().mean() * torch.randn(weight.shape, generator=generator), alpha=STRENGTH)
    (folder / "tuned").mkdir()
    setup.method.save(folder / "tuned")
    facts = {"kind": "reinforce", "method": case.method, "kl": case.kl, "base": str(base.folder), "pad": wording.pad_id}
    (folder / "case.json").write_text(json.dumps({**facts, "rows": [_told(row, loss) for row in rows]}))
    total, gradients = _gradient(setup, rows)
    clipped = loss.told()["clipped"]
    say(f"{case.name}: {rewards['even_groups']:.0%} of the groups even, {clipped:.1%} of the tokens clipped")
    save_file(gradients, folder / "ours.safetensors")
    return total


def _prompts(seed: int, wording: Wording) -> list[Worded]:
    """The shortest of many requests, each with a gold."""
    chats = standard_rows(MORE * PROMPTS, seed=seed, wording=wording)
    asked = sorted((chat[0]["content"] for chat in chats), key=len)[:PROMPTS]
    grading = Grading(("yes, I do",), graders_of({"grader": "regex", "options": {"pattern": CHANCE}})).text
    rows = []
    for place, question in enumerate(asked):
        worded = wording.chat_ids([Message("user", question), Message("assistant", "yes, I do")])
        row = Worded(f"{place:016x}", f"{place}", f"rows:{place}", worded.ids, worded.trained)
        rows.append(replace(row, grading=grading))
    return rows


def _told(row: Worded, loss: ReinforceLoss) -> dict[str, Any]:
    """An answer as TRL has it when it computes its loss."""
    start, lot = row.trained.index(True), loss.lot(row)
    answer = {"completion_ids": row.ids[start:], "old_logp": lot.logp, "advantage": lot.advantage}
    return {"prompt_ids": row.ids[:start], **answer}


def _gradient(setup: Setup, rows: Sequence[Worded]) -> tuple[float, dict[str, Tensor]]:
    """Mean loss of a token as one step, cut as training cuts it, and the gradients by the names others have."""
    learner, total = setup.learner, 0.0
    units = learner.loss.units(rows)
    for piece in learner.cut(dict(enumerate(rows))):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / units).backward()
        total += float(summed.nats.detach())
    adapted = any(lora_layers(learner.model))
    return total / units, {
        f"{PREFIX if adapted else ''}{name}{'.weight' if '.lora_' in name else ''}": weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }
