"""T3: loss and gradient of every objective against TRL's SFTTrainer, `transformers` and `peft`, on the same batch.

SmolLM2-135M, and MiniLM for the encoder, in float32: LoRA r = 16 whose both factors are at work, and all weights; rows
packed, cut into micro-batches, and as a tree of shared beginnings. TRL takes one step of its own, its loss kept to the
assistant's tokens by masks; `transformers` computes the padded batch; both live in an environment of their own. Nothing
is dropped out. The error of a gradient is the length of the difference relative to the gradient's. Who is how far from
`transformers` in float64 is told beside it, and the worst tensor by its largest value.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from bench.datasets import write_dataset
from bench.engine._luthier_loop import read
from bench.engine._rows import standard_passages, standard_rows, tokenized, write_tokenized
from bench.engine.t1 import SCRIPTS, TRL
from bench.peers import peer_python
from bench.record import Asked, Outcome, run_bench, say
from safetensors.torch import load_file, save_file
from torch import Tensor

from luthier.models.adapters import PREFIX, lora_layers
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import load_wording
from luthier.models.heads import PooledClassifier
from luthier.models.machine import use_all_cores
from luthier.records import nobody_listens
from luthier.train.config import TrainConfig
from luthier.train.setup import Job, Setup, set_up

BAR = 1e-5
CANCELLED = 1e-3
"""Share of the largest gradient below which a tensor's own largest value is rounding, and no scale."""
ROWS = 6
LABELS = ("one", "two", "three")
STRENGTH = 0.02
"""Deviation of the adapters' second factor, which starts at zero."""
MICRO = 512
"""Tokens computed at once: every batch takes several."""
WAYS = ("float64", "trl", "transformers")


@dataclass(frozen=True, slots=True)
class Case:
    """One way to train."""

    objective: str
    base: str
    method: str
    share_prefixes: str = "off"

    @property
    def name(self) -> str:
        """In words."""
        method = "LoRA" if self.method == "lora" else "all weights"
        return f"{self.objective}, {self.base}, {method}" + (", shared" if self.share_prefixes == "on" else "")


DECODER, ENCODER = "smollm2-135m", "minilm-l6"
CASES = (
    Case("chat", DECODER, "lora"),
    Case("chat", DECODER, "lora", "on"),
    Case("chat", DECODER, "full"),
    Case("complete", DECODER, "lora"),
    Case("complete", DECODER, "full"),
    Case("classify", DECODER, "lora"),
    Case("classify", DECODER, "full"),
    Case("classify", ENCODER, "lora"),
    Case("classify", ENCODER, "full"),
)
Found = dict[str, Any]


def measure(asked: Asked) -> Outcome:
    """All cases; the quick form is one decoder's and one encoder's adapter against `transformers`."""
    use_all_cores()
    python = peer_python("trl", requirements=TRL)
    cases = [CASES[0], CASES[-2]] if asked.quick else CASES
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        folders = {case: Path(folder) / f"{place}" for place, case in enumerate(cases)}
        ours = {case: _ours(case, folders[case], seed=asked.seed) for case in cases}
        for way in ("float64", "transformers") if asked.quick else WAYS:
            able = [case for case in cases if way != "trl" or case.objective != "classify"]
            losses = _theirs(python, way, [folders[case] for case in able])
            for case, expected in zip(able, losses, strict=True):
                found[f"{case.name}, {way}"] = _against(way, case, folders[case], ours=ours[case], expected=expected)
    worst = {
        way: {key: max(each[key] for name, each in found.items() if name.endswith(way)) for key in ("loss", "gradient")}
        for way in WAYS
        if any(name.endswith(way) for name in found)
    }
    return Outcome(
        holds=all(error <= BAR for errors in worst.values() for error in errors.values()),
        value=worst,
        bar=f"relative error of loss and gradient <= {BAR:.0e} against each",
        detail=found,
        versions={"TRL": TRL[0], "TRL's transformers": TRL[2], "TRL's peft": TRL[3]},
    )


def _against(way: str, case: Case, folder: Path, *, ours: float, expected: float) -> Found:
    gradients, slopes = load_file(folder / "ours.safetensors"), load_file(folder / f"{way}.safetensors")
    errors = compare(ours, gradients, expected, slopes)
    say(
        f"{case.name}, against {way}: loss {expected:.6f}, off by {errors['loss']:.1e}; gradient off by "
        f"{errors['gradient']:.1e}, the worst of {errors['tensors']} tensors by {errors['tensor']:.1e} "
        f"({errors['worst']})"
    )
    if way != "float64":
        exact = compare(expected, slopes, expected, load_file(folder / "float64.safetensors"))
        errors["theirs_from_float64"] = exact["gradient"]
        say(f"    their gradient is {exact['gradient']:.1e} from float64")
    return errors


def compare(loss: float, gradients: dict[str, Tensor], expected: float, slopes: dict[str, Tensor]) -> Found:
    """Relative errors of a loss and of gradients by name; AssertionError if the names differ."""
    assert gradients.keys() == slopes.keys(), sorted(gradients.keys() ^ slopes.keys())[:4]
    least = CANCELLED * max(float(slope.abs().max()) for slope in slopes.values())
    errors = {
        name: float((gradient - slopes[name]).abs().max()) / max(float(slopes[name].abs().max()), least)
        for name, gradient in gradients.items()
    }
    worst = max(errors, key=errors.__getitem__)
    apart = sum(float((gradient - slopes[name]).double().square().sum()) for name, gradient in gradients.items())
    whole = sum(float(slope.double().square().sum()) for slope in slopes.values())
    return {
        "loss": abs(loss - expected) / abs(expected),
        "gradient": (apart / whole) ** 0.5,
        "tensor": errors[worst],
        "worst": worst,
        "tensors": len(errors),
    }


def _ours(case: Case, folder: Path, *, seed: int) -> float:
    """Our loss; the gradients, the rows and the untrained model are left in `folder`."""
    folder.mkdir()
    base = _without_dropout(resolve_base(case.base, relative_to=Path()), folder / "base")
    write_batch(folder / "rows.jsonl", case.objective, base, seed=seed)
    setup = ready(folder, base, case)
    (folder / "tuned").mkdir()
    setup.method.save(folder / "tuned")
    facts = {"objective": case.objective, "method": case.method, "base": str(base.folder), "labels": len(LABELS)}
    facts |= {"architecture": base.architecture, "pad": load_wording(base.folder).pad_id}
    (folder / "case.json").write_text(json.dumps(facts), encoding="utf-8")
    loss, gradients = batch_gradient(setup)
    save_file(gradients, folder / "ours.safetensors")
    say(f"{case.name}: our loss {loss:.6f}")
    return loss


def _without_dropout(base: Base, folder: Path) -> Base:
    """The same base, whose settings drop nothing out: nobody else draws our random numbers."""
    folder.mkdir()
    for path in base.folder.iterdir():
        (folder / path.name).symlink_to(path)
    settings = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    still = {name: 0.0 if "dropout" in name else value for name, value in settings.items()}
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(still), encoding="utf-8")
    return replace(base, folder=folder)


def write_batch(path: Path, objective: str, base: Base, *, seed: int) -> None:
    """Rows of one objective."""
    wording = load_wording(base.folder)
    if objective == "chat":
        rows = tokenized(standard_rows(ROWS, seed=seed, wording=wording), wording)
    else:
        rows = standard_passages(ROWS, seed=seed, wording=wording)
    if objective == "classify":
        rows = [{**row, "trained": [0] * len(row["ids"]), "label": at % len(LABELS)} for at, row in enumerate(rows)]
    write_tokenized(path, rows)


def ready(folder: Path, base: Base, case: Case) -> Setup:
    """A run in float32 before its first step, whose adapters, if it has them, already do something."""
    wording = load_wording(base.folder)
    dataset = write_dataset(
        folder / "dataset",
        read(folder / "rows.jsonl"),
        base=base,
        objective=case.objective,
        labels=LABELS if case.objective == "classify" else (),
    )
    settings = {"method": case.method, "share_prefixes": case.share_prefixes, "micro_batch_tokens": MICRO}
    config = TrainConfig.model_validate({**settings, "dtype": "float32", "replay": 0})
    setup = set_up(Job(dataset, base, config, wording, folder, nobody_listens))
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=STRENGTH, generator=generator)
    return setup


def batch_gradient(setup: Setup) -> tuple[float, dict[str, Tensor]]:
    """Mean loss of all rows as one step, cut as training cuts it, and the gradients under the names others have."""
    learner, total = setup.learner, 0.0
    rows = list(learner.rows)
    units = learner.loss.units(rows)
    for piece in learner.cut(dict(enumerate(rows))):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / units).backward()
        total += float(summed.nats.detach())
    alone, adapted = isinstance(learner.model, PooledClassifier), any(lora_layers(learner.model))
    return total / units, {
        _their_name(name, alone=alone, adapted=adapted): weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }


def _their_name(name: str, *, alone: bool, adapted: bool) -> str:
    """Of a weight in a saved model or adapter; an encoder stands there alone, and its head beside it."""
    if alone and name.startswith("classifier."):
        return name
    plain = name.removeprefix("encoder.") if alone else name
    return f"{PREFIX if adapted else ''}{plain}{'.weight' if '.lora_' in plain else ''}"


def _theirs(python: Path, way: str, folders: Sequence[Path]) -> list[float]:
    """Losses of these cases; the gradients are left in their folders. RuntimeError if the script fails."""
    words = [str(python), str(SCRIPTS / "_gradients_loop.py"), way, *map(str, folders)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        words, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{way} failed:\n{done.stderr[-3000:]}")
    losses = json.loads(done.stdout.strip().splitlines()[-1])
    return [losses[str(folder)] for folder in folders]


if __name__ == "__main__":
    run_bench("engine.t3", measure, about=__doc__)
