"""Part of the parity bench: hidden words and several labels against `transformers` itself, every weight trained."""

import importlib.metadata as metadata
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench.record import Asked, say
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from luthier.models.bases import Base, resolve_base
from luthier.models.chat import load_wording
from luthier.models.classify import choose_logits
from luthier.models.forward import pad_rows
from luthier.models.load import load_model
from luthier.models.masked import choose_hidden
from luthier.models.masks import make_masker
from luthier.models.whole import save_whole
from luthier.objectives import objective
from luthier.records import Worded
from luthier.train.learner import Loss
from luthier.train.losses.classify import ClassifyLoss
from luthier.train.losses.fill import FillLoss

VERSIONS = {"transformers": metadata.version("transformers")}
TEXTS = (
    "A unique index forbids two rows with the same value in the column that it covers.",
    "Vacuum.",
    "The planner estimates how many rows each step returns, and chooses the cheapest way to join them.",
    "Extensions are loaded with CREATE EXTENSION; dropping one removes everything that it made.",
    "Locks are kept until the end of the transaction, even if the statement that took them failed.",
)
"""Of unequal length."""
Found = tuple[float, dict[str, Tensor]]


def compare(asked: Asked) -> dict[str, dict[str, float]]:
    """Case -> relative errors; the quick form leaves the decoder out."""
    torch.manual_seed(asked.seed)
    found = {"fill, MiniLM": _fill(resolve_base("minilm-l6", relative_to=Path()), asked.seed)}
    if not asked.quick:
        found["several labels, SmolLM2"] = _several(resolve_base("smollm2-135m", relative_to=Path()))
    for name, errors in found.items():
        say(f"{name}: {errors}")
    return found


def _fill(base: Base, seed: int) -> dict[str, float]:
    loaded, wording = load_model(base, objective("fill"), dtype=torch.float32, seed=seed), load_wording(base.folder)
    masker = make_masker(wording, share=0.3, seed=seed)
    rows = [masker(wording.fill_row(text, row_id=text, group="", at=""), 1) for text in TEXTS]
    hidden, path = choose_hidden(loaded.model, rows, pad_id=wording.pad_id)
    say(path)

    def theirs(folder: str) -> Found:
        model = AutoModelForMaskedLM.from_pretrained(folder)
        ids, mask = pad_rows([row.ids for row in rows], pad_id=wording.pad_id)
        aims = torch.full_like(ids, -100)
        for place, row in enumerate(rows):
            aims[place, : len(row.ids)][torch.tensor(row.trained)] = torch.tensor(row.labels)
        return _gradients(model, model(input_ids=ids, attention_mask=mask, labels=aims).loss)

    return _errors(loaded.model, FillLoss(hidden), rows, theirs)


def _several(base: Base) -> dict[str, float]:
    loaded = load_model(base, objective("classify"), dtype=torch.float32, labels=("one", "two", "three"))
    wording = load_wording(base.folder)
    ids = [wording.text_ids(text) for text in TEXTS]
    rows = [Worded("", "", "", each, (False,) * len(each), (), score=1.0) for each in ids]
    rows = [replace(row, labels=tuple(range(place % 4))) for place, row in enumerate(rows)]
    logits, path = choose_logits(loaded.model, ids, pad_id=wording.pad_id)
    say(path)

    def theirs(folder: str) -> Found:
        model = AutoModelForSequenceClassification.from_pretrained(folder, problem_type="multi_label_classification")
        padded, mask = pad_rows(ids, pad_id=wording.pad_id)
        aims = torch.tensor([[float(label in row.labels) for label in range(3)] for row in rows])
        return _gradients(model, model(input_ids=padded, attention_mask=mask, labels=aims).loss)

    return _errors(loaded.model, ClassifyLoss(logits), rows, theirs)


def _errors(model: Any, loss: Loss, rows: list[Worded], theirs: Any) -> dict[str, float]:
    """Of the mean loss of all rows, and of its gradient, both relative."""
    model.eval().requires_grad_(True)
    with tempfile.TemporaryDirectory() as folder:
        save_whole(Path(folder), model)
        expected, slopes = theirs(folder)
    found, mine = _gradients(model, loss.sum(model, rows, reminder=None).nats / loss.units(rows))
    apart = sum(float((mine[name] - slope).double().square().sum()) for name, slope in slopes.items())
    whole = sum(float(slope.double().square().sum()) for slope in slopes.values())
    return {"loss": abs(found - expected) / expected, "gradient": (apart / whole) ** 0.5}


def _gradients(model: Any, loss: Tensor) -> Found:
    model.zero_grad()
    loss.backward()
    slopes = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return float(loss.detach()), slopes
