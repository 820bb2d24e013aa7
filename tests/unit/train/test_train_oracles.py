"""Loss and gradient of a step against plain `transformers` and `peft` on the same batch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from trainings import Training, make_rows
from transformers import AutoModelForCausalLM

from luthier.models.adapters import PREFIX, lora_layers
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.models.forward import pad_rows
from luthier.records import Worded, nobody_listens
from luthier.train.config import TrainConfig
from luthier.train.setup import Job, Setup, set_up

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
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
    return setup


def ours(setup: Setup, rows: Sequence[Worded]) -> Found:
    """Mean loss of all rows, and the gradient that the optimizer is handed, by the name that others have for it."""
    learner, total = setup.learner, 0.0
    units = learner.loss.units(rows)
    for piece in learner.cut(dict(enumerate(rows))):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / units).backward()
        total += float(summed.nats.detach())
    gradients = {
        f"{PREFIX}{name}.weight" if ".lora_" in name else name: weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }
    return total / units, gradients


def theirs(base: Base, rows: Sequence[Worded], *, adapter: Path | None) -> Found:
    """The same by `transformers`' own loss over the padded batch."""
    model = AutoModelForCausalLM.from_pretrained(str(base.folder), dtype=torch.float32, attn_implementation="eager")
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    ids, mask = pad_rows([row.ids for row in rows], pad_id=2)
    trained, _ = pad_rows([list(map(int, row.trained)) for row in rows], pad_id=0)
    labels = ids.masked_fill(trained == 0, -100)
    loss = model.train()(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    loss.backward()
    named = ((name.replace(".default.", "."), weight.grad) for name, weight in model.named_parameters())
    return float(loss.detach()), {name: gradient for name, gradient in named if gradient is not None}


@pytest.mark.parametrize("share", ["off", "on"])
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("goal", ["chat", "complete"])
def test_loss_and_gradient_are_those_of_plain_transformers(
    make_training: Callable[..., Training], tmp_path: Path, goal: str, method: str, share: str
) -> None:
    training = make_training(goal)
    rows = make_rows(load_wording(training.base.folder), goal, 9)
    adapter = {"rank": 2, "dropout": 0.0} if method == "lora" else {}
    setup = ready(training, method=method, share_prefixes=share, replay=0.0, adapter=adapter)
    folder = tmp_path / "adapter" if method == "lora" else None
    if folder is not None:
        folder.mkdir()
        setup.method.save(folder)
    loss, gradients = ours(setup, rows)
    expected, slopes = theirs(training.base, rows, adapter=folder)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert gradients.keys() == slopes.keys()
    for name, gradient in gradients.items():
        assert float((gradient - slopes[name]).abs().max()) <= 1e-5 * float(slopes[name].abs().max()), name
