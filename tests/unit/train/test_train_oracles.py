"""Loss and gradient of a step against plain `transformers` and `peft`: packed, padded, as a tree, accumulated."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from trainings import LABELS, Training, make_rows
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from luthier.models.adapters import PREFIX, lora_layers
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.models.classify import padded_logits
from luthier.models.forward import pad_rows, padded_states
from luthier.models.heads import PooledClassifier, mean_states
from luthier.records import Worded, nobody_listens
from luthier.train.batches import cut_by_length
from luthier.train.config import TrainConfig
from luthier.train.losses.chat import ChatLoss
from luthier.train.losses.classify import ClassifyLoss
from luthier.train.setup import Job, Setup, set_up

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
CASES = [("chat", "llama"), ("complete", "llama"), ("classify", "llama"), ("classify", "bert")]
ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {},
    "dora": {"variant": "dora"},
    "embeddings": {"variant": "rslora", "modules_to_save": ["embed_tokens"]},
}
Found = tuple[float, dict[str, Tensor]]


def ready(training: Training, **settings: Any) -> Setup:
    """A run before its first step whose adapter, if it has one, already does something."""
    config = TrainConfig.model_validate({**training.config.model_dump(), **settings})
    training.home.joinpath("scratch").mkdir()
    wording = load_wording(training.base.folder)
    job = Job(training.dataset, training.base, config, wording, training.home / "scratch", nobody_listens)
    setup = set_up(job)
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=0.1, generator=generator)
    for module in setup.loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return setup


def ours(setup: Setup, rows: Sequence[Worded]) -> Found:
    """Mean loss of all rows, and the gradient that the optimizer is handed, by the name that others have for it."""
    learner, total = setup.learner, 0.0
    learner.model.zero_grad()
    units = learner.loss.units(rows)
    for piece in learner.cut(dict(enumerate(rows))):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / units).backward()
        total += float(summed.nats.detach())
    adapted = any(lora_layers(learner.model))
    return total / units, {
        their_name(name, alone=isinstance(learner.model, PooledClassifier), adapted=adapted): weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }


def their_name(name: str, *, alone: bool, adapted: bool) -> str:
    """An encoder stands alone in a saved adapter, and its head beside it."""
    if alone and name.startswith("classifier."):
        return name
    plain = (name.removeprefix("encoder.") if alone else name).replace(".trained.", ".")
    return f"{PREFIX if adapted else ''}{plain}{'.weight' if '.lora_' in plain else ''}"


def theirs(base: Base, tuned: Path, rows: Sequence[Worded], kind: Any) -> Found:
    """The same by plain autograd over the padded batch; `tuned` is what we saved."""
    pad_id = load_wording(base.folder).pad_id
    adapted = (tuned / "adapter_config.json").is_file()
    labels = {"num_labels": len(LABELS), "pad_token_id": pad_id} if kind is AutoModelForSequenceClassification else {}
    model = kind.from_pretrained(base.folder if adapted else tuned, attn_implementation="eager", **labels)
    model = PeftModel.from_pretrained(model, str(tuned), is_trainable=True) if adapted else model
    ids, mask = pad_rows([row.ids for row in rows], pad_id=pad_id)
    head = {}
    if kind is AutoModelForCausalLM:
        trained, _ = pad_rows([list(map(int, row.trained)) for row in rows], pad_id=0)
        targets = ids.masked_fill(trained == 0, -100)
        loss = model.eval()(input_ids=ids, attention_mask=mask, labels=targets, use_cache=False).loss
    else:
        output = model.eval()(input_ids=ids, attention_mask=mask)
        if kind is AutoModel:
            head = {name: value.requires_grad_() for name, value in load_file(tuned / "classifier.safetensors").items()}
            means = mean_states(output.last_hidden_state, mask)
            logits = F.linear(means, head["classifier.weight"], head["classifier.bias"])
        else:
            logits = output.logits
        loss = F.cross_entropy(logits, torch.tensor([row.labels[0] for row in rows]))
    loss.backward()
    named = {**dict(model.named_parameters()), **head}.items()
    return float(loss.detach()), {
        name.replace(".modules_to_save.default", "").replace(".default.", "."): weight.grad
        for name, weight in named
        if weight.grad is not None
    }


def pad(setup: Setup, *, pad_id: int) -> None:
    """Take the path of architectures that cannot be packed."""
    if setup.loaded.task == "CAUSAL_LM":
        setup.learner.loss = ChatLoss(padded_states)
    else:
        setup.learner.loss = ClassifyLoss(partial(padded_logits, pad_id=pad_id))


def agree(found: Found, expected: Found) -> None:
    """Relative to each tensor's largest value, but for those that cancel out, such as the bias of keys."""
    least = 1e-3 * max(float(slope.abs().max()) for slope in expected[1].values())
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, slope in expected[1].items():
        error = float((found[1][name] - slope).abs().max())
        assert error <= 1e-5 * max(float(slope.abs().max()), least), name


@pytest.mark.parametrize("share", ["off", "on"])
@pytest.mark.parametrize("method", ["full", *ADAPTERS])
@pytest.mark.parametrize(("goal", "kind"), CASES)
def test_loss_and_gradient_are_those_of_plain_transformers(
    make_training: Callable[..., Training], tmp_path: Path, goal: str, kind: str, method: str, share: str
) -> None:
    """However a step's rows are cut into micro-batches, and whether they are packed, padded or a tree."""
    training = make_training(goal, kind=kind)
    wording = load_wording(training.base.folder)
    rows = make_rows(wording, goal, 9)
    adapter = {"rank": 2, "dropout": 0.0, **ADAPTERS[method]} if method in ADAPTERS else {}
    if "modules_to_save" in adapter and kind == "bert":
        adapter["modules_to_save"] = ["word_embeddings"]
    setup = ready(
        training, method="full" if method == "full" else "lora", share_prefixes=share, replay=0.0, adapter=adapter
    )
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    setup.method.save(tuned)
    if goal != "classify":
        plain: Any = AutoModelForCausalLM
    else:
        plain = {"bert": AutoModel, "llama": AutoModelForSequenceClassification}[kind]
    expected = theirs(training.base, tuned, rows, plain)
    agree(ours(setup, rows), expected)
    if share == "on":
        return
    for tokens in (10_000, 1):
        setup.learner.cut = partial(cut_by_length, tokens=tokens)
        agree(ours(setup, rows), expected)
    pad(setup, pad_id=wording.pad_id)
    for tokens in (10_000, 96):
        setup.learner.cut = partial(cut_by_length, tokens=tokens)
        agree(ours(setup, rows), expected)
