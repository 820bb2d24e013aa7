"""Tag and extract: loss and gradient against plain `transformers`, and going on after a break."""

import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from torch import Tensor
from trainings import Training, content, write_dataset
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification

from luthier.errors import StoppedError
from luthier.models.adapters import lora_layers
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.models.forward import pad_rows
from luthier.models.tokens import padded_token_logits
from luthier.records import Tick, Worded, nobody_listens
from luthier.train.batches import cut_by_length
from luthier.train.config import TrainConfig
from luthier.train.setup import Job, Setup, set_up

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
TAGS = ("O", "B-DAY", "I-DAY")
FULL: dict[str, Any] = {"method": "full", "adapter": {}, "scale": 1.0, "learning_rate": 0.003}
Making = Callable[..., Training]
Found = tuple[float, dict[str, Tensor]]


def tag_row(wording: Wording, place: int) -> Worded:
    """A text of words of one letter, of which every third is part of an entity."""
    count = int(np.random.default_rng(place).integers(2, 12))
    ids = wording.text_ids("ab " * count)
    first = tuple(at % 3 == 0 for at in range(len(ids)))
    labels = tuple((at + place) % 3 for at in range(sum(first)))
    return Worded(f"{place:016x}", f"g{place}", f"a:{place}", ids, first, labels)


def extract_row(wording: Wording, place: int) -> Worded:
    """A question, a separator and a text, in which the answer has two tokens; every fourth row has none."""
    first = (*wording.text_ids(f"which {place}?"), wording.pad_id)
    ids = (*first, *wording.text_ids("a lot of words " + "more " * (place % 4)))
    answer = (0, 0) if place % 4 == 3 else (len(first) + place % 7, len(first) + place % 7 + 1)
    labels, ends = answer, (len(first), len(ids))
    return Worded(f"{place:016x}", f"g{place}", f"a:{place}", ids, (False,) * len(ids), labels, 0, ends)


MAKERS = {"tag": tag_row, "extract": extract_row}


@pytest.fixture
def training(request: pytest.FixtureRequest, make_base: Callable[[str], Base], tmp_path: Path) -> Making:
    def make(goal: str, **settings: Any) -> Training:
        base = make_base("bert")
        wording = load_wording(base.folder)
        rows = [MAKERS[goal](wording, place) for place in range(32)]
        facts = {"labels": list(TAGS)} if goal == "tag" else {}
        dataset = write_dataset(
            tmp_path / "prepared" / "dataset", base, goal, facts=facts, train=rows[:24], validation=rows[24:]
        )
        return Training(tmp_path, base, dataset, **settings)

    return make


def ready(training: Training, **settings: Any) -> Setup:
    """A run before its first step whose adapter, if it has one, already does something."""
    config = TrainConfig.model_validate({**training.config.model_dump(), **settings})
    training.home.joinpath("scratch").mkdir()
    wording = load_wording(training.base.folder)
    setup = set_up(Job(training.dataset, training.base, config, wording, training.home / "scratch", nobody_listens))
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=0.1, generator=generator)
    for module in setup.loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return setup


def ours(setup: Setup, rows: Sequence[Worded]) -> Found:
    """Mean loss of all rows, and its gradients by the names that others have for them."""
    learner, total = setup.learner, 0.0
    learner.model.zero_grad()
    units = learner.loss.units(rows)
    for piece in learner.cut(dict(enumerate(rows))):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / units).backward()
        total += float(summed.nats.detach())
    prefix = "base_model.model." if any(lora_layers(learner.model)) else ""
    return total / units, {
        f"{prefix}{name}{'.weight' if '.lora_' in name else ''}": weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }


def theirs(training: Training, goal: str, tuned: Path, rows: Sequence[Worded]) -> Found:
    """The library's own loss over a padded batch. Of span heads it counts padding among the places where an answer may
    be, so each row stands alone."""
    pad_id = load_wording(training.base.folder).pad_id
    adapted = (tuned / "adapter_config.json").is_file()
    kind = {"tag": AutoModelForTokenClassification, "extract": AutoModelForQuestionAnswering}[goal]
    extra = {"num_labels": len(TAGS)} if goal == "tag" else {}
    source = training.base.folder if adapted else tuned
    model = kind.from_pretrained(source, attn_implementation="eager", **extra)
    model = PeftModel.from_pretrained(model, str(tuned), is_trainable=True) if adapted else model
    plain = (model.get_base_model() if adapted else model).eval()  # the wrapper drops `token_type_ids` of questions
    if goal == "tag":
        ids, mask = pad_rows([row.ids for row in rows], pad_id=pad_id)
        labels = torch.full_like(ids, -100)
        for place, row in enumerate(rows):
            labels[place, : len(row.ids)][torch.tensor(row.trained)] = torch.tensor(row.labels)
        loss = plain(input_ids=ids, attention_mask=mask, labels=labels).loss
    else:
        losses = []
        for row in rows:
            types = torch.tensor([[int(place >= row.ends[0]) for place in range(len(row.ids))]])
            start, end = torch.tensor(row.labels).split(1)
            ids = torch.tensor([row.ids])
            losses.append(plain(input_ids=ids, token_type_ids=types, start_positions=start, end_positions=end).loss)
        loss = torch.stack(losses).mean()
    loss.backward()
    return float(loss.detach()), {
        name.replace(".modules_to_save.default", "").replace(".default.", "."): weight.grad
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def agree(found: Found, expected: Found) -> None:
    """Relative to each tensor's largest value, but for those that cancel out, such as the bias of keys."""
    least = 1e-3 * max(float(slope.abs().max()) for slope in expected[1].values())
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, slope in expected[1].items():
        error = float((found[1][name] - slope).abs().max())
        if name.endswith("qa_outputs.bias"):
            # It moves all tokens alike, so its gradient is nothing, but for rounding.
            assert error <= 1e-6
            continue
        assert error <= 1e-5 * max(float(slope.abs().max()), least), name


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("goal", sorted(MAKERS))
def test_loss_and_gradient_are_those_of_plain_transformers(
    training: Making, tmp_path: Path, goal: str, method: str
) -> None:
    """However a step's rows are cut into micro-batches, and whether they are a stream or padded."""
    run = training(goal)
    wording = load_wording(run.base.folder)
    rows = [MAKERS[goal](wording, place) for place in range(9)]
    setup = ready(run, method=method, adapter={"rank": 2, "dropout": 0.0} if method == "lora" else {})
    assert setup.reasons["forward"].startswith("packed")
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    setup.method.save(tuned)
    expected = theirs(run, goal, tuned, rows)
    agree(ours(setup, rows), expected)
    loss: Any = setup.learner.loss
    for logits in (loss.logits, partial(padded_token_logits, pad_id=wording.pad_id)):
        for tokens in (10_000, 1):
            loss.logits = logits
            setup.learner.cut = partial(cut_by_length, tokens=tokens)
            agree(ours(setup, rows), expected)


@pytest.mark.parametrize("goal", sorted(MAKERS))
def test_what_is_scored_is_what_is_learnt(training: Making, goal: str) -> None:
    setup = ready(training(goal))
    rows = list(setup.learner.rows)
    summed = setup.learner.loss.sum(setup.learner.model.eval(), rows, reminder=None)
    assert sum(setup.learner.score(rows)) == pytest.approx(float(summed.nats.detach()), rel=1e-5)


@pytest.mark.parametrize("settings", [{}, FULL], ids=["lora", "full"])
@pytest.mark.parametrize("goal", sorted(MAKERS))
def test_a_broken_run_ends_as_an_unbroken_one_bit_for_bit(
    training: Making, goal: str, settings: dict[str, Any]
) -> None:
    run = training(goal, epochs=1.0, **settings)
    whole = run.run("whole")
    assert whole.manifest.counts["steps"] >= 3
    with pytest.raises(StoppedError):
        run.run("broken", listener=stopping(2))
    assert content(run.run("broken")) == content(whole)


def stopping(at: int) -> Callable[[Tick], None]:
    def listen(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == at:
            signal.raise_signal(signal.SIGTERM)

    return listen
