"""Every architecture and variant of adapter: it learns, and plain `peft` and `transformers` compute what we serve."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny_bases import DECODERS, ENCODERS
from torch import Tensor, nn
from trainings import LABELS, Training, make_rows
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from luthier.artifacts.folders import ModelDir
from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),  # peft asks by an old name
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),  # and says so of every layer
]
CAPPED = {"gemma2"}
ONLY_CAUSAL = {"cohere", "granite"}
CASES = [
    *(("chat", kind) for kind in sorted(set(DECODERS) - CAPPED)),
    *(("classify", kind) for kind in sorted({*DECODERS, *ENCODERS} - CAPPED - ONLY_CAUSAL)),
]
VARIANTS = ("lora", "rslora", "dora")
PADDED = {("classify", "mpnet"), ("classify", "deberta-v2")}
"""Architectures that compute attention in their own way take the plain path."""
SHORT: dict[str, Any] = {"batch_tokens": 140, "replay": 0.0, "scale": 1.0, "learning_rate": 0.05}


def logits_of(model: Callable[..., Any], rows: list[tuple[int, ...]]) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([row])).logits[0].reshape(-1).float() for row in rows])


def plain(folder: Path, training: Training, objective: str) -> nn.Module:
    """What `transformers` makes of a folder."""
    kind: Any = AutoModelForCausalLM
    told: dict[str, Any] = {}
    if objective == "classify" and training.base.architecture == "encoder":
        kind = AutoModel
    elif objective == "classify":
        kind, told = AutoModelForSequenceClassification, {"num_labels": len(LABELS), "pad_token_id": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.from_pretrained(str(folder), dtype=torch.float32, **told).eval()


def headed(model: nn.Module, folder: Path) -> Callable[..., Any]:
    """A plain model as it stands, an encoder with the classifier that lies beside its adapter."""
    if not (folder / "classifier.safetensors").exists():
        return model
    head = load_file(folder / "classifier.safetensors")

    def classify(input_ids: Tensor) -> Any:
        mean = model(input_ids=input_ids).last_hidden_state.mean(dim=1)
        return SimpleNamespace(logits=mean @ head["classifier.weight"].T + head["classifier.bias"])

    return classify


def check_folder(training: Training, model: ModelDir, objective: str, scratch: Path) -> None:
    """Served, with the adapter in plain `peft`, and merged in plain `transformers`: one model, and not the base."""
    rows = [row.ids for row in make_rows(load_wording(training.base.folder), objective, 4, first=200)]
    engine = load_engine(training.base, tuned=model, threads=1)
    served = logits_of(engine.model, rows)
    theirs = PeftModel.from_pretrained(plain(training.base.folder, training, objective), str(model.path)).eval()
    assert float((logits_of(headed(theirs, model.path), rows) - served).abs().max()) <= 1e-4
    theirs.merge_and_unload().save_pretrained(scratch / "merged")
    merged = headed(plain(scratch / "merged", training, objective), model.path)
    assert float((logits_of(merged, rows) - served).abs().max()) <= 1e-4
    engine._switch(False)
    if model.manifest.counts["best_step"]:  # on so few rows the untrained model may be the best
        assert float((logits_of(engine.model, rows) - served).abs().max()) > 1e-5


@pytest.mark.parametrize(("place", "objective", "kind"), [(place, *case) for place, case in enumerate(CASES)])
def test_it_learns_and_plain_libraries_compute_what_is_served(
    make_training: Callable[..., Training], tmp_path: Path, objective: str, kind: str, place: int
) -> None:
    """The variant of the adapter goes round the architectures."""
    adapter = {"rank": 2, "variant": VARIANTS[place % 3]}
    epochs = 0.4 if objective == "chat" else 1.0
    training = make_training(objective, kind=kind, **{**SHORT, "epochs": epochs, "adapter": adapter})
    model = training.run("run")
    facts = model.manifest.facts
    assert model.manifest.counts["steps"] >= 3
    assert facts["choices"]["variant"]["value"] == VARIANTS[place % 3]
    assert facts["tuning"].lower().startswith(f"{VARIANTS[place % 3]} of rank 2, alpha ")
    assert facts["reasons"]["forward"].startswith("padded" if (objective, kind) in PADDED else "packed"), facts
    check_folder(training, model, objective, tmp_path)


@pytest.mark.parametrize(("objective", "kind"), [("chat", "llama"), ("classify", "bert"), ("classify", "gpt2")])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_is_frozen_stays_as_the_base_has_it(
    make_training: Callable[..., Training], tmp_path: Path, objective: str, kind: str, method: str
) -> None:
    adapter = {"rank": 2} if method == "lora" else {}
    rate = 0.05 if method == "lora" else 0.003
    settings = {**SHORT, "epochs": 1.0, "learning_rate": rate, "adapter": adapter, "freeze_layers": 1}
    training = make_training(objective, kind=kind, method=method, **settings)
    model = training.run("run")
    if method == "lora":
        state = load_file(model.path / "adapter_model.safetensors")
        assert any(".1." in name for name in state)
        assert not any(".0." in name for name in state)
        check_folder(training, model, objective, tmp_path)
        return
    tuned, base = load_file(model.path / "model.safetensors"), load_file(training.base.folder / "model.safetensors")
    same = {
        name for name, value in tuned.items() for own in base if own.endswith(name) if torch.equal(value, base[own])
    }
    assert any(".0." in name for name in same)
    if model.manifest.counts["best_step"]:
        assert not any(".1." in name for name in same if "bias" not in name)  # a bias of keys changes nothing
    assert any("embed" in name or "wte" in name for name in same)


def test_freezing_every_layer_is_refused(make_training: Callable[..., Training]) -> None:
    with pytest.raises(UserError, match="the base has 2 layers"):
        make_training("chat", **{**SHORT, "freeze_layers": 2}).run("run")


def test_four_bits_are_refused_with_what_to_do_instead(make_training: Callable[..., Training]) -> None:
    with pytest.raises(UserError, match=r"needs a GPU.* Set quantize: none, and dtype: bfloat16"):
        make_training("chat", **{**SHORT, "adapter": {"quantize": "nf4"}}).run("run")
