"""Preferences and rewards against TRL's DPOTrainer, KTOTrainer, RewardTrainer and the losses of its ORPO and CPO.

Preferences are small differences of large numbers, so float32 alone can put TRL further from itself in float64 than the
bar. Where the two of us differ by more than that, TRL computes once more in float64, and that is what ours is held to.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

from luthier.models.adapters import PREFIX, lora_layers
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.machine import use_all_cores
from luthier.records import Message, Worded, nobody_listens
from luthier.train.config import TrainConfig
from luthier.train.learner import LooksAhead
from luthier.train.losses.prefer import mismatched
from luthier.train.setup import Job, Setup, remember_base, set_up

VERSIONS = {"TRL": TRL[0], "TRL's transformers": TRL[2], "TRL's peft": TRL[3]}
BASE = "smollm2-135m"
PAIRS = 4
MICRO = 256
"""Tokens computed at once: the batch takes several."""
MORE = 8
"""Conversations drawn for each pair, whose two shortest are taken: for long ones TRL needs many gigabytes."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to learn from better and worse answers."""

    kind: str
    """A way to prefer, or `reward`."""
    method: str = "lora"
    shared: bool = False

    @property
    def name(self) -> str:
        """In words."""
        method = "LoRA" if self.method == "lora" else "all weights"
        return f"{self.kind}, {method}" + (", shared" if self.shared else "")


CASES = (
    Case("dpo"),
    Case("dpo", shared=True),
    Case("dpo", "full"),
    Case("ipo"),
    Case("orpo"),
    Case("simpo"),
    Case("kto"),
    Case("reward"),
    Case("reward", shared=True),
)


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Errors of every case; the quick form takes DPO and the reward."""
    use_all_cores()
    base = resolve_base(BASE, relative_to=Path())
    cases = (CASES[1], CASES[-1]) if asked.quick else CASES
    with tempfile.TemporaryDirectory() as name:
        folders = {case: Path(name) / f"{place}" for place, case in enumerate(cases)}
        ours = {case: _ours(case, folder, base, seed=asked.seed) for case, folder in folders.items()}
        found = _errors(folders, ours, "float32")
        unlike = [case for case, errors in found.items() if max(errors["loss"], errors["gradient"]) > BAR]
        exact = _errors({case: folders[case] for case in unlike}, ours, "float64")
        for case, errors in exact.items():
            apart = errors_of(*_result(folders[case], "float32"), *_result(folders[case], "float64"))
            say(f"    {case.name}: TRL in float32 is off from there: {_words(apart)}")
            found[case] = {**errors, "ours from TRL in float32": found[case], "TRL in float32": apart}
    return {case.name: errors for case, errors in found.items()}


def _errors(folders: Mapping[Case, Path], ours: Mapping[Case, float], way: str) -> dict[Case, Mapping[str, Any]]:
    """Errors of our losses and gradients against TRL's of this type."""
    if folders:
        run_peer(peer_python("trl", requirements=TRL), "_trl_prefer_loss.py", way, *folders.values())
    found: dict[Case, Mapping[str, Any]] = {}
    for case, folder in folders.items():
        loss, slopes = _result(folder, way)
        found[case] = errors_of(ours[case], load_file(folder / "ours.safetensors"), loss, slopes)
        say(f"{case.name}, against TRL in {way}: loss {loss:.6f}; {_words(found[case])}")
    return found


def _result(folder: Path, way: str) -> tuple[float, dict[str, Tensor]]:
    """TRL's loss and gradients."""
    loss = json.loads((folder / f"trl-{way}.json").read_text(encoding="utf-8"))
    return float(loss), load_file(folder / f"trl-{way}.safetensors")


def _words(errors: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} off by {errors[key]:.1e}" for key in ("loss", "gradient"))


def _ours(case: Case, folder: Path, base: Base, *, seed: int) -> float:
    """Our loss; gradients, rows and the untrained model are left in `folder`."""
    folder.mkdir()
    wording = load_wording(base.folder)
    rows = answered(PAIRS, seed=seed, wording=wording, rated=case.kind == "kto")
    goal = "reward" if case.kind == "reward" else "prefer"
    dataset = write_dataset(folder / "dataset", rows, base=base, objective=goal)
    settings = {} if goal == "reward" else {"preference": case.kind}
    config = TrainConfig.model_validate(
        {
            **settings,
            "method": case.method,
            "share_prefixes": "on" if case.shared else "off",
            "micro_batch_tokens": MICRO,
            "dtype": "float32",
            "replay": 0,
        }
    )
    job = Job(dataset, base, config, wording, folder, nobody_listens)
    setup = set_up(job)
    remember_base(setup.learner, job, validation=())
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=STRENGTH, generator=generator)
    if case.method == "full":
        for weight in setup.loaded.model.parameters():
            weight.data.add_(weight.data.abs().mean() * torch.randn(weight.shape, generator=generator), alpha=STRENGTH)
    (folder / "tuned").mkdir()
    setup.method.save(folder / "tuned")
    facts = {"kind": case.kind, "method": case.method, "base": str(base.folder), "pad": wording.pad_id}
    (folder / "case.json").write_text(json.dumps({**facts, "rows": list(map(_told, rows, _others(rows)))}))
    loss, gradients = _gradient(setup, rows)
    save_file(gradients, folder / "ours.safetensors")
    return loss


def answered(count: int, *, seed: int, wording: Wording, rated: bool) -> list[Worded]:
    """Requests with the text that goes on from them, and with another; or each with one of the two."""
    chats = standard_rows(MORE * count, seed=seed, wording=wording)
    chats = sorted(chats, key=lambda chat: sum(len(turn["content"]) for turn in chat))[: 2 * count]
    rows = []
    for place in range(count):
        asked = Message("user", chats[place][0]["content"])
        told = [Message("assistant", chats[other][1]["content"]) for other in (place, count + place)]
        texts = [wording.chat_ids([asked, answer]) for answer in told]
        about = (f"{place:016x}", f"{place}", f"rows:{place}")
        if rated:
            one = texts[place % 2]
            rows.append(Worded(*about, one.ids, one.trained, score=float(1 - place % 2)))
        else:
            ids = texts[0].ids + texts[1].ids
            rows.append(Worded(*about, ids, texts[0].trained + texts[1].trained, ends=(len(texts[0].ids), len(ids))))
    return rows


def _others(rows: Sequence[Worded]) -> list[Worded]:
    """The rows whose answers are to other prompts, as KTO pairs them here."""
    if rows[0].score is None:
        return list(rows)
    half = len(rows) // 2
    return [mismatched(row, rows[(place + half) % len(rows)], limit=8192) for place, row in enumerate(rows)]


def _told(row: Worded, other: Worded) -> dict[str, Any]:
    """A row as TRL has it after tokenizing."""
    start = row.trained.index(True)
    if row.score is None:
        chosen, rejected = row.texts
        return {"prompt_ids": row.ids[:start], "chosen_ids": chosen[start:], "rejected_ids": rejected[start:]}
    answers = {"completion_ids": row.ids[start:], "KL_completion_ids": other.ids[start:]}
    return {"prompt_ids": row.ids[:start], **answers, "label": bool(row.score)}


def _gradient(setup: Setup, rows: Sequence[Worded]) -> tuple[float, dict[str, Tensor]]:
    """Mean loss of all rows as one step, cut as training cuts it, and the gradients by the names others have."""
    learner, total, held = setup.learner, 0.0, dict(enumerate(rows))
    if isinstance(learner.loss, LooksAhead):
        learner.loss.look_ahead(learner.model, held, among=rows, cut=learner.cut)
    for piece in learner.cut(held):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / len(rows)).backward()
        total += float(summed.nats.detach())
    adapted = any(lora_layers(learner.model))
    return total / len(rows), {
        f"{PREFIX if adapted else ''}{name}{'.weight' if '.lora_' in name else ''}": weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }
