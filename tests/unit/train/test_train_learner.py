"""One step: gradients, numbers that are not finite, and how much of the adapter ships."""

import copy
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from scipy import stats
from tiny_bases import write_tiny_tokenizer
from torch import Tensor
from trainings import LABELS, Training, general_row, make_rows, trained_name
from transformers import OPTConfig, OPTForCausalLM

from luthier.artifacts.folders import ModelDir
from luthier.artifacts.kept import keep
from luthier.errors import LuthierError
from luthier.models.adapters import AdapterShape, inject, lora_layers, rescale
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.models.classify import padded_logits, stream_logits
from luthier.models.engines.hf import load_engine
from luthier.models.forward import Forward, packed_states, padded_states
from luthier.models.load import load_model
from luthier.models.sampling import sample
from luthier.objectives import objective
from luthier.records import Tick, Worded, nobody_listens
from luthier.train import replay
from luthier.train.batches import StepPlan, plan_steps
from luthier.train.learner import Learner, Loss, Pace, Summed
from luthier.train.losses.chat import ChatLoss
from luthier.train.losses.classify import ClassifyLoss
from luthier.train.scale import FACTORS, MARGIN, General, choose_scale
from luthier.train.stopping import History
from luthier.train.validation import Validation

SHAPE = AdapterShape(rank=2, alpha=4.0)
PACE = Pace(learning_rate=0.01, warmup=0.0, weight_decay=0.01, clip=1e9, micro_batch_tokens=10_000)


@pytest.fixture
def wording(tmp_path: Path) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "wording"))


def make_learner(
    make_base: Callable[[str], Base], goal: str, rows: Sequence[Worded], *, packs: bool = True, **pace: float
) -> Learner:
    """A learner whose adapter already does something, so that both of its factors have gradients."""
    base = make_base({"chat": "llama", "classify": "bert"}[goal])
    loaded = load_model(base, objective(goal), dtype=torch.float32, labels=LABELS if goal == "classify" else ())
    inject(loaded.model, SHAPE, skip=loaded.skip, seed=0)
    disturb(loaded.model, 0.1)
    for head in loaded.heads:
        loaded.model.get_submodule(head).requires_grad_(True)
    no_dropout(loaded.model)
    if goal == "chat":
        loss: Loss = ChatLoss(packed_states if packs else padded_states)
    else:
        loss = ClassifyLoss(stream_logits if packs else partial(padded_logits, pad_id=2))
    values = {name: getattr(PACE, name) for name in PACE.__dataclass_fields__}
    return Learner(loaded.model, rows, loss=loss, pace=Pace(**{**values, **pace}))


def disturb(model: torch.nn.Module, strength: float) -> None:
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(model):
        torch.nn.init.normal_(layer.lora_B, std=strength, generator=generator)


def strength_of(learner: Learner) -> Callable[[float], None]:
    return lambda factor: rescale(learner.model, factor=factor, shape=SHAPE)


def no_dropout(model: torch.nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def step_gradient(learner: Learner, plan: StepPlan) -> Tensor:
    """What the optimizer is handed in one step."""
    seen = []
    step = learner.optimizer.step

    def look(**settings: float) -> bool:
        seen.append(learner.optimizer.gradient_P.clone())
        return step(**settings)

    learner.optimizer.step = look  # type: ignore[method-assign]
    learner.learn(plan, of=10, history=History())
    learner.optimizer.step = step  # type: ignore[method-assign]
    return seen[0]


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def plain_gradient(learner: Learner, goal: str) -> Tensor:
    """The gradient of the mean loss as plain `transformers` and autograd give it, row by row."""
    model, total = copy.deepcopy(learner.model), torch.zeros(())
    model.config._attn_implementation = "eager"
    for row in learner.rows:
        logits = model(input_ids=torch.tensor([row.ids])).logits
        if goal == "classify":
            total = total + F.cross_entropy(logits, torch.tensor(row.labels))
            continue
        targets = torch.tensor([token if learnt else -100 for token, learnt in zip(row.ids, row.trained, strict=True)])
        total = total + F.cross_entropy(logits[0, :-1], targets[1:], reduction="sum")
    count = len(learner.rows) if goal == "classify" else sum(sum(row.trained) for row in learner.rows)
    (total / count).backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.requires_grad])


@pytest.mark.parametrize("goal", ["chat", "classify"])
def test_pieces_of_a_step_add_up_to_the_plain_gradient(
    make_base: Callable[[str], Base], wording: Wording, goal: str
) -> None:
    rows = make_rows(wording, goal, 9)
    plan = StepPlan(1, 1.0, tuple(range(9)))
    expected = plain_gradient(make_learner(make_base, goal, rows), goal)
    for packs in (True, False):
        for tokens in (10_000, 150, 1):
            learner = make_learner(make_base, goal, rows, packs=packs, micro_batch_tokens=tokens)
            assert distance(step_gradient(learner, plan), expected) <= 1e-5


def replay_of(
    model: torch.nn.Module, rows: Sequence[Sequence[int]], *, forward: Forward, share: float, folder: Path
) -> replay.Replay:
    """A replay of rows that the base is said to have written."""
    keep(folder / "replay-0.json", [list(row) for row in rows])
    writer = replay.Writer(model, tuple(tuple(row[:1]) for row in rows), 0, 0, folder, nobody_listens)
    return replay.Replay(writer, forward=forward, share=share)


def test_replay_adds_the_divergence_from_the_base(
    make_base: Callable[[str], Base], wording: Wording, tmp_path: Path
) -> None:
    rows = make_rows(wording, "chat", 4)
    texts = [wording.document_ids(text) for text in ("a day of sun", "an owl", "what is it that we see here")]
    plan = StepPlan(2, 1.0, (0, 1, 2, 3))
    alone = step_gradient(make_learner(make_base, "chat", rows), plan)
    learner = make_learner(make_base, "chat", rows)
    share = replay.LENGTH * 3 / sum(len(row.ids) for row in rows)
    learner.replay = replay_of(learner.model, texts, forward=packed_states, share=share, folder=tmp_path)
    model = copy.deepcopy(learner.model)
    logits = [model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1) for ids in texts]
    for _, layer in lora_layers(model):
        layer.active = False
    base = [model(input_ids=torch.tensor([ids])).logits[0].detach().log_softmax(-1) for ids in texts]
    divergence = sum(
        F.kl_div(own, its, log_target=True, reduction="sum") for own, its in zip(logits, base, strict=True)
    )
    divergence = divergence / sum(map(len, texts))
    divergence.backward()
    extra = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.requires_grad])
    assert distance(step_gradient(learner, plan), alone + extra) <= 1e-5
    cut = make_learner(make_base, "chat", rows, micro_batch_tokens=60)
    cut.replay = replay_of(cut.model, texts, forward=packed_states, share=share, folder=tmp_path)
    assert distance(step_gradient(cut, plan), alone + extra) <= 1e-5
    assert cut.replay.remind(step=1, tokens=100) is None  # the model still is the base
    learned = learner.learn(StepPlan(3, 1.0, (0, 1, 2, 3)), of=10, history=History())
    assert learned.drift is not None
    assert learned.drift > 0


def test_scores_are_nats_of_each_row_however_they_are_cut(make_base: Callable[[str], Base], wording: Wording) -> None:
    rows = make_rows(wording, "chat", 7)
    whole = make_learner(make_base, "chat", rows).score(rows)
    assert make_learner(make_base, "chat", rows, micro_batch_tokens=1).score(rows) == pytest.approx(whole, rel=1e-5)
    assert all(value > 1 for value in whole)


def test_a_step_that_is_not_finite_changes_nothing(make_base: Callable[[str], Base], wording: Wording) -> None:
    learner = make_learner(make_base, "chat", make_rows(wording, "chat", 4))
    history = History()
    learner.learn(StepPlan(1, 0.5, (0, 1)), of=4, history=history)
    before = {name: value.clone() for name, value in learner.state().items()}
    with torch.no_grad():
        learner.model.get_input_embeddings().weight[learner.rows[2].ids[3]] = math.nan
    learned = learner.learn(StepPlan(2, 1.0, (2, 3)), of=4, history=history)
    assert (learned.skipped, history.skipped, history.skipped_in_a_row) == (True, 1, 1)
    after = learner.state()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def poison(base: Base, letter: str) -> None:
    """Make one letter's embedding not a number."""
    state = load_file(base.folder / "model.safetensors")
    (token,) = load_wording(base.folder).document_ids(letter)[-1:]
    state["model.embed_tokens.weight"][token] = math.nan
    save_file(state, base.folder / "model.safetensors", metadata={"format": "pt"})


class Poisoned:
    """A training in which the rows of chosen steps hold a letter whose embedding is not a number."""

    def __init__(self, make_training: Callable[..., Training], make_base: Callable[[str], Base]) -> None:
        self.make_training = make_training
        self.base = make_base("llama")
        self.wording = load_wording(self.base.folder)
        self.ticks: list[Tick] = []

    def make(self, *steps: int) -> Training:
        rows = make_rows(self.wording, "chat", 24)
        plan = plan_steps([len(row.ids) for row in rows], epochs=2.0, batch_tokens=160, seed=0)
        spoilt = {row for step in steps for row in plan[step - 1].rows[:1]}
        (token,) = self.wording.document_ids("%")[-1:]
        rows = [self.spoil(row, token) if place in spoilt else row for place, row in enumerate(rows)]
        training = self.make_training("chat", rows={"train": rows}, replay=0.0)
        poison(training.base, "%")
        return Training(training.home, self.base, training.dataset, replay=0.0, keep_checkpoints=100)

    def spoil(self, row: Worded, token: int) -> Worded:
        fields = {name: getattr(row, name) for name in row.__dataclass_fields__}
        return Worded(**{**fields, "ids": (*row.ids[:14], token, *row.ids[15:])})

    def run(self, training: Training) -> None:
        self.model = training.run("run", listener=self.ticks.append)

    def check_numbers(self, training: Training) -> None:
        """No number on disk is anything but finite."""
        for path in [*training.checkpoints("run"), *training.home.glob("run/model")]:
            for file in path.glob("*.safetensors"):
                tensors = load_file(file)
                assert all(bool(torch.isfinite(value.float()).all()) for value in tensors.values()), file


@pytest.fixture
def poisoned(make_training: Callable[..., Training], make_base: Callable[[str], Base]) -> Poisoned:
    return Poisoned(make_training, make_base)


def test_a_poisoned_row_costs_its_steps_and_nothing_else(poisoned: Poisoned) -> None:
    training = poisoned.make(3)
    poisoned.run(training)
    assert poisoned.model.manifest.counts["skipped_steps"] == 2  # one in each epoch
    poisoned.check_numbers(training)
    curve = (poisoned.model.path / "curve.jsonl").read_text()
    assert "NaN" not in curve
    skipped = [line for line in curve.splitlines() if '"loss":null' in line]
    assert len(skipped) == 2


@pytest.mark.parametrize("steps", [(4, 5, 6), (1, 2, 3)])
def test_three_in_a_row_go_back_once_and_then_say_so(poisoned: Poisoned, steps: tuple[int, ...]) -> None:
    training = poisoned.make(*steps)
    with pytest.raises(LuthierError, match=r"diverged at step 6|diverged at step 3"):
        poisoned.run(training)
    done = [tick.done for tick in poisoned.ticks if tick.stage == "train" and tick.total]
    assert done.count(steps[0]) == 2
    poisoned.check_numbers(training)
    kept = range(steps[0])
    assert {path.name for path in training.checkpoints("run")} == {f"step-{step:08d}" for step in kept}
    assert not (training.home / "run" / "model").exists()


def test_half_the_rate_may_be_enough(make_training: Callable[..., Training], monkeypatch: pytest.MonkeyPatch) -> None:
    training = make_training("chat", micro_batch_tokens=10_000)  # one piece a step
    whole = training.run("whole")
    plain, calls = ChatLoss.sum, []

    def overflow(*arguments: Any, **settings: Any) -> Summed:
        """Three steps that go wrong once."""
        calls.append(1)
        summed = plain(*arguments, **settings)
        return Summed(summed.nats * (math.nan if 5 <= len(calls) < 8 else 1.0), summed.drift)

    monkeypatch.setattr(ChatLoss, "sum", overflow)
    model = training.run("run")
    rates, usual = ([point["rate"] for point in curve(each)[1:]] for each in (model, whole))
    assert len(rates) == len(usual)
    halves = [rate / normal for rate, normal in zip(rates, usual, strict=True)]
    assert set(halves) == {1.0, 0.5}
    assert halves == sorted(halves, reverse=True)


def curve(model: ModelDir) -> list[dict[str, float]]:
    return [json.loads(line) for line in (model.path / "curve.jsonl").read_text().splitlines()]


def test_training_that_stops_early_ships_the_best_step(overfitting: Training) -> None:
    training = overfitting
    model = training.run("run")
    counts, facts = model.manifest.counts, model.manifest.facts
    assert 0 < counts["best_step"] < counts["steps"] < counts["planned_steps"]
    losses = {point["step"]: point["validation_loss"] for point in curve(model) if "validation_loss" in point}
    assert min(losses, key=losses.__getitem__) == counts["best_step"]
    assert facts["best_validation_loss"] == min(losses.values())
    assert f"step {counts['best_step']} kept" in facts["story"]
    best, last = training.store("run").at(counts["best_step"]), training.store("run").at(counts["steps"])
    assert best is not None
    shipped = load_file(model.path / "adapter_model.safetensors")
    assert all(torch.equal(best.tensors[trained_name(name)], value) for name, value in shipped.items())
    assert last is None or not all(
        torch.equal(last.tensors[trained_name(name)], value) for name, value in shipped.items()
    )


@pytest.mark.parametrize("goal", ["chat", "classify"])
def test_a_rate_of_zero_changes_nothing(make_training: Callable[..., Training], goal: str) -> None:
    training = make_training(goal, learning_rate=0.0)
    model = training.run("run")
    engine = load_engine(training.base, tuned=model, threads=1)
    rows = make_rows(load_wording(training.base.folder), goal, 5)
    if goal == "chat":
        assert engine.nats(rows, adapter=True) == engine.nats(rows, adapter=False)
        assert model.manifest.facts["scale"]["factor"] == 1.0
    else:
        fresh = load_model(training.base, objective(goal), dtype=torch.float32, labels=LABELS).model.eval()
        with torch.no_grad():
            expected = [fresh(input_ids=torch.tensor([row.ids])).logits.double().softmax(-1)[0].numpy() for row in rows]
        assert np.abs(engine.classify([row.ids for row in rows]) - np.array(expected)).max() < 1e-6


def test_the_largest_factor_that_keeps_general_text_ships(make_base: Callable[[str], Base]) -> None:
    learner = make_learner(make_base, "chat", [])
    with torch.no_grad():
        learner.model.get_output_embeddings().weight.mul_(10)  # a base that is sure of something
    rescale(learner.model, factor=0.0, shape=SHAPE)
    written = sample(learner.model, [[3]] * 8, length=20, seed=0, pad_id=2)
    trained = (False, *(True,) * 20)
    general = [Worded(f"r{place}", "g", "general", tuple(ids), trained, (), 20) for place, ids in enumerate(written)]
    before = learner.score(general)
    chosen = set()
    for strength in np.geomspace(0.01, 3, 24):
        disturb(learner.model, float(strength))
        fits = []
        for factor in FACTORS:
            rescale(learner.model, factor=factor, shape=SHAPE)
            ratios = np.log(np.array(before) / np.array(learner.score(general)))
            if stats.ttest_1samp(ratios, -MARGIN, alternative="greater").pvalue < 0.05:
                fits.append(factor)
        scale = choose_scale(
            learner,
            validation=Validation([]),
            general=General(general, before),
            rescale=strength_of(learner),
            listener=nobody_listens,
        )
        assert scale.factor == max(fits, default=1.0)
        assert ("no factor keeps" in scale.reason) == (not fits)
        assert {layer.scale for _, layer in lora_layers(learner.model)} == {scale.factor * 2.0}
        chosen.add((scale.factor, bool(fits)))
    assert len(chosen) >= 3
    assert (1.0, True) in chosen
    assert (1.0, False) in chosen


@pytest.mark.parametrize("count", [0, 1])
def test_too_little_general_text_ships_the_adapter_whole(make_training: Callable[..., Training], count: int) -> None:
    wording = load_wording(make_training("chat").base.folder)
    rows = [general_row(wording, place, "The weather.") for place in range(count)]
    model = make_training("chat", rows={"general": rows}, epochs=0.5).run("run")
    assert model.manifest.facts["scale"]["factor"] == 1.0
    assert "general" in model.manifest.facts["scale"]["reason"]


def test_a_reminder_is_the_base_without_dropout(tmp_path: Path) -> None:
    """Else a resumed run, which samples nothing, would be reminded of something else."""
    torch.manual_seed(0)
    size = {"hidden_size": 16, "ffn_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32}
    model = OPTForCausalLM(OPTConfig(**size, word_embed_proj_dim=16, dropout=0.5, pad_token_id=1))
    reminders = []
    for _ in range(2):
        made = replay_of(model.train(), [[3, 4, 5], [6, 7]], forward=padded_states, share=64.0, folder=tmp_path)
        reminders.append(made.remind(step=2, tokens=2))
    first, second = reminders
    assert len(first.states) == 2
    assert all(map(torch.equal, first.states, second.states))


def test_the_base_writes_when_it_is_asked(make_training: Callable[..., Training]) -> None:
    """Nothing before the second step, then a group at a time; and it would write the same again."""
    training = make_training("chat", epochs=0.05)
    assert training.run("short").manifest.counts["steps"] == 1
    assert not list(training.scratch("short").glob("replay-*"))
    training = make_training("chat", epochs=0.4)
    for name in ("one", "two"):
        training.run(name)
    one, two = ({path.name: path.read_bytes() for path in training.scratch(n).glob("replay-*")} for n in ("one", "two"))
    assert list(one) == ["replay-0.json"]
    assert one == two
