"""Memory is known before the first step, and a run that does not fit is made to, or refused."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_train_learner import make_learner, step_gradient
from tiny_bases import write_tiny_tokenizer
from torch import Tensor
from trainings import Training, content, make_rows

from luthier.config import Resolved
from luthier.errors import UserError
from luthier.models import footprint
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.models.footprint import LiveBytes
from luthier.models.recompute import recompute_layers
from luthier.records import Tick
from luthier.train import estimate
from luthier.train.batches import StepPlan
from luthier.train.estimate import Estimate, Plan, Wish, find_plan, heaviest_pieces
from luthier.train.stage import foresee

Making = Callable[..., Training]
Learners = Callable[[str], Base]


def linear(tokens: int, recompute: bool) -> Estimate:
    """A run whose activations take 1,000 bytes a token, 100 with checkpointing."""
    return Estimate(0, 0, tokens * (100 if recompute else 1000))


@pytest.fixture
def wording(tmp_path: Path) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "wording"))


def size(tokens: int, *, recompute: bool) -> int:
    return linear(tokens, recompute).peak


@pytest.mark.parametrize(
    ("room", "tokens", "recompute"),
    [(None, 512, False), (512, 512, False), (511, 256, False), (128, 128, False), (127, 512, True)],
)
def test_smaller_pieces_come_first_then_checkpointing(room: int | None, tokens: int, recompute: bool) -> None:
    wish = Wish(Resolved(512, "usual"), True, "auto")
    plan = find_plan(linear, wish, room=None if room is None else size(room, recompute=False))
    assert isinstance(plan, Plan)
    assert (plan.tokens.value, plan.recompute.value) == (tokens, recompute)
    assert ("would need" in plan.tokens.reason) == (tokens < 512)
    assert ("would need" in plan.recompute.reason) == recompute


def test_what_is_set_is_not_changed() -> None:
    tight = size(100, recompute=False)
    assert isinstance(find_plan(linear, Wish(Resolved(512, "set"), False, "off"), room=tight), Estimate)
    plan = find_plan(linear, Wish(Resolved(512, "set"), False, "on"), room=tight)
    assert isinstance(plan, Plan)
    assert (plan.tokens.value, plan.recompute.value) == (512, True)


def test_the_heaviest_piece_is_a_full_one_or_the_longest_row() -> None:
    lengths = np.array([10] * 99 + [70])
    [(piece, _, pieces)] = heaviest_pieces(lengths, batch=200, tokens=50, padded=False)
    assert piece == [99]
    assert pieces == 4  # and 130 tokens in rows of 10
    [(piece, _, pieces)] = heaviest_pieces(lengths, batch=200, tokens=100, padded=False)
    assert lengths[piece].sum() == 100
    assert pieces == 2


def test_padding_leaves_pieces_less_full_and_the_longest_row_is_looked_at() -> None:
    lengths = np.array([10, 30] * 50 + [60])
    [(packed, *_)] = heaviest_pieces(lengths, batch=200, tokens=100, padded=False)
    (fullest, *_), (longest, *_) = heaviest_pieces(lengths, batch=200, tokens=100, padded=True)
    assert lengths[fullest].sum() < lengths[packed].sum() <= 100
    assert longest == [100]


def test_memory_is_what_learning_or_sampling_takes() -> None:
    alike = Estimate(1 << 30, 0, 1 << 20, 0, 1 << 19)
    assert alike.peak == replace(alike, sampling=0).peak
    assert replace(alike, sampling=1 << 22).peak > alike.peak
    assert replace(alike, scattered=True).peak > alike.peak
    assert replace(alike, before=1 << 32).peak == 1 << 32


@pytest.mark.parametrize("goal", ["chat", "classify"])
@pytest.mark.parametrize("recompute", [False, True])
def test_few_layers_tell_what_all_take(
    make_base: Learners, wording: Wording, goal: str, recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(wording, goal, 8)
    learner = make_learner(make_base, goal, rows)
    recompute_layers(learner.model, active=recompute)
    layers = footprint.layer_list(learner.model)
    assert layers is not None
    for _ in range(3):
        layers.append(copy.deepcopy(layers[-1]))
    learner.model.config.num_hidden_layers = len(layers)

    def learn() -> Tensor:
        return learner.loss.sum(learner.model, rows, reminder=None).nats

    learn()  # what is made once is there
    for weight in learner.model.parameters():
        weight.grad = None  # memory is foretold before there is an optimizer
    before = torch.get_rng_state()
    found = footprint.footprint(learner.model, learn)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(weight.grad is None for weight in learner.model.parameters())
    monkeypatch.setattr(footprint, "layer_list", lambda model: None)
    whole = footprint.footprint(learner.model, learn)
    assert found.of(len(layers)) == pytest.approx(whole.fixed, rel=0.05)


@pytest.mark.parametrize("goal", ["chat", "classify"])
def test_recomputing_layers_changes_no_bit(make_training: Making, goal: str) -> None:
    """Weights, losses and dropout are those of a run that keeps everything."""
    kept, again = (make_training(goal, epochs=0.7, checkpoint_activations=each) for each in ("off", "on"))
    assert content(again.run("again")) == content(kept.run("kept"))
    assert again.run("again").manifest.facts["choices"]["checkpoint_activations"]["value"] is True


@pytest.mark.parametrize("packs", [True, False])
def test_recomputing_layers_keeps_less(make_base: Learners, wording: Wording, packs: bool) -> None:
    rows = make_rows(wording, "chat", 6)
    found = []
    for recompute in (False, True):
        learner = make_learner(make_base, "chat", rows, packs=packs)
        recompute_layers(learner.model, active=recompute)
        with LiveBytes() as count:
            summed = learner.loss.sum(learner.model, rows, reminder=None)
        kept = count.live
        gradient = step_gradient(learner, StepPlan(1, 1.0, tuple(range(6))))
        found.append((kept, gradient))
        del summed
    assert found[1][0] < 0.5 * found[0][0]
    assert torch.equal(found[0][1], found[1][1])


def narrow(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Leave room for a share of what the whole run needs."""
    needed: list[int] = []
    whole = estimate.find_plan

    def find(ask: Callable[[int, bool], Estimate], wish: Wish, *, room: int | None) -> Plan | Estimate:
        def priced(tokens: int, recompute: bool) -> Estimate:
            return Estimate(0, 0, ask(tokens, recompute).activations << 20)

        needed.append(priced(wish.micro_batch_tokens.value, False).peak)
        return whole(priced, wish, room=int(share * needed[0]))

    monkeypatch.setattr(estimate, "find_plan", find)


def test_a_run_that_does_not_fit_is_made_to_and_says_so(make_training: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    training = make_training("chat", epochs=0.3, micro_batch_tokens="auto", batch_tokens=600)
    narrow(monkeypatch, 0.6)
    ticks: list[Tick] = []
    choices = training.run("run", listener=ticks.append).manifest.facts["choices"]
    assert choices["micro_batch_tokens"]["value"] < 512
    assert "would need" in choices["micro_batch_tokens"]["reason"]
    assert ["micro-batches of" in tick.note for tick in ticks if tick.stage == "train: memory"] == [True]


def test_a_resumed_run_computes_as_it_began(make_training: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    training = make_training("chat", epochs=0.5, micro_batch_tokens="auto", batch_tokens=600)

    def stop(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        narrow(patch, 0.6)
        with pytest.raises(KeyboardInterrupt):
            training.run("run", listener=stop)
    narrow(monkeypatch, 2.0)
    assert training.run("run").manifest.facts["choices"]["micro_batch_tokens"]["value"] < 512


def test_what_cannot_fit_is_refused_with_three_settings(make_training: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    training = make_training("chat", checkpoint_activations="off")
    narrow(monkeypatch, 0.1)
    with pytest.raises(UserError, match=r"training needs about .* There are .* GB") as refused:
        training.run("run")
    lines = str(refused.value).splitlines()
    assert len(lines) == 4
    assert all("saves about" in line for line in lines[1:])
    assert "train.checkpoint_activations" in str(refused.value)


def test_what_no_adapter_makes_too_large_is_advised_one(make_training: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16, whose gradients are float32."""
    training = make_training("chat", method="full", adapter={}, dtype="bfloat16")
    narrow(monkeypatch, 0.1)
    with pytest.raises(UserError, match="training needs about") as refused:
        training.run("run")
    assert "train.method: lora" in str(refused.value)
    assert "train.adapter" not in str(refused.value)


def test_dry_run_foretells_the_memory(make_training: Making) -> None:
    training = make_training("chat")
    told = foresee(training.dataset, base=training.base, config=training.config)
    assert "for activations" in told
    assert list(training.home.glob("**/training")) == []
