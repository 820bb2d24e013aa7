"""Better and worse answers: loss and gradient against the papers' formulas in plain `transformers` and `peft`."""

import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from preferences import pair_rows, rated_rows
from test_train_oracles import Found, ready, their_name
from test_train_resume import BrokenError, breaking
from torch import Tensor
from trainings import Training, content
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from luthier.errors import UserError
from luthier.models.adapters import lora_layers
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.models.footprint import LiveBytes
from luthier.models.forward import padded_states
from luthier.records import Worded, nobody_listens
from luthier.train.batches import cut_packed, plan_steps
from luthier.train.config import TrainConfig
from luthier.train.estimate import end_of_row
from luthier.train.losses.prefer import PreferLoss, mismatched, settle
from luthier.train.losses.way import Lesson
from luthier.train.setup import Job, Setup, remember_base

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
Making = Callable[..., Training]
KINDS = ("dpo", "ipo", "orpo", "kto", "simpo")
FULL: dict[str, Any] = {"method": "full", "adapter": {}}
LORA: dict[str, Any] = {"method": "lora", "adapter": {"rank": 2, "dropout": 0.0}}


@pytest.fixture
def training(make_training: Making, request: pytest.FixtureRequest) -> Callable[..., Training]:
    """Make a training on pairs, or on rated answers for KTO; on long prompts if asked to."""

    def make(kind: str, *, long: bool = False, **settings: Any) -> Training:
        wording = load_wording(make_training("chat").base.folder)
        make_rows = rated_rows if kind == "kto" else pair_rows
        rows = {"train": make_rows(wording, 12), "validation": make_rows(wording, 8, first=100)}
        if long:
            rows["train"] = long_pairs(rows["train"])
        if kind == "reward":
            return make_training("reward", rows=rows, **settings)
        return make_training("prefer", rows=rows, **{"preference": kind, **settings})

    return make


def long_pairs(rows: Sequence[Worded]) -> list[Worded]:
    """The same pairs behind a long question that they all ask first."""
    before, blind = tuple(range(3, 60)), (False,) * 57
    longer = []
    for row in rows:
        texts = [before + text for text in row.texts]
        learnt = (*blind, *row.trained[: len(row.texts[0])], *blind, *row.trained[len(row.texts[0]) :])
        ends = (len(texts[0]), len(texts[0]) + len(texts[1]))
        longer.append(Worded(row.id, row.group, row.at, texts[0] + texts[1], learnt, (), 9, ends))
    return longer


def ours(setup: Setup, rows: Sequence[Worded]) -> Found:
    """Mean loss of all rows, and the gradient that the optimizer is handed."""
    learner, total, held = setup.learner, 0.0, dict(enumerate(rows))
    learner.model.zero_grad()
    if isinstance(learner.loss, PreferLoss):
        learner.loss.look_ahead(learner.model, held, among=rows, cut=learner.cut)
    for piece in learner.cut(held):
        summed = learner.loss.sum(learner.model, [rows[index] for index in piece], reminder=None)
        (summed.nats / len(rows)).backward()
        total += float(summed.nats.detach())
    adapted = any(lora_layers(learner.model))
    return total / len(rows), {
        their_name(name, alone=False, adapted=adapted): weight.grad.clone()
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad
    }


def disturbed(setup: Setup, run: Training, *, by: float = 0.05) -> Setup:
    """The same run, every trained weight a little away from where it starts, and the base remembered."""
    wording = load_wording(run.base.folder)
    job = Job(run.dataset, run.base, setup.config, wording, run.home / "scratch", nobody_listens)
    remember_base(setup.learner, job, validation=())
    generator = torch.Generator().manual_seed(2)
    for weight in setup.learner.model.parameters():
        if weight.requires_grad:
            weight.data.add_(torch.randn(weight.shape, generator=generator), alpha=by)
    return setup


def agree(found: Found, expected: Found) -> None:
    """The length of what the gradients differ by relative to theirs: what two answers share cancels in single ones."""
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1].keys() == expected[1].keys()
    apart = sum(float((found[1][name] - slope).double().square().sum()) for name, slope in expected[1].items())
    whole = sum(float(slope.double().square().sum()) for slope in expected[1].values())
    assert math.sqrt(apart / whole) <= 1e-5


def plain_logp(model: Any, ids: Sequence[int], trained: Sequence[bool]) -> Tensor:
    """log p of every learnt token of one row alone."""
    logp = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(dim=-1)
    return torch.stack([logp[place - 1, ids[place]] for place in range(1, len(ids)) if trained[place]])


def sigmoid(value: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-value))


def written_out(kind: str, rows: Sequence[Worded], model: Any, base: Callable[[Any, Any], Tensor]) -> Tensor:
    """Mean loss as the papers write it: beta 0.1 (SimPO: 2, margin 1); two good answers for each bad one."""
    total = torch.zeros((), dtype=torch.float64)
    if kind == "kto":
        half, n = len(rows) // 2, len(rows)
        others = [mismatched(row, rows[(place + half) % n], limit=512) for place, row in enumerate(rows)]
        with torch.no_grad():
            gains = [plain_logp(model, one.ids, one.trained).sum() - base(one.ids, one.trained).sum() for one in others]
        drift = torch.stack(gains).mean().clamp(min=0)
        good = sum(row.score == 1 for row in rows)
        for row in rows:
            reward = 0.1 * (plain_logp(model, row.ids, row.trained).sum() - base(row.ids, row.trained).sum())
            weight = max(1.0, (n - good) / good) if row.score else max(1.0, good / (n - good))
            value = sigmoid(reward - 0.1 * drift) if row.score else sigmoid(0.1 * drift - reward)
            total = total + weight * (1 - value)
        return total / n
    for row in rows:
        texts, first = row.texts, len(row.texts[0])
        masks = row.trained[:first], row.trained[first:]
        better, worse = (plain_logp(model, text, mask) for text, mask in zip(texts, masks, strict=True))
        match kind:
            case "orpo":
                odds = [part.mean().exp() / (1 - part.mean().exp()) for part in (better, worse)]
                total = total - better.mean() - 0.1 * torch.log(sigmoid(torch.log(odds[0] / odds[1])))
            case "simpo":
                total = total - torch.log(sigmoid(2 * better.mean() - 2 * worse.mean() - 1))
            case "dpo" | "ipo":
                before = [base(text, mask) for text, mask in zip(texts, masks, strict=True)]
                ratios = better.sum() - before[0].sum(), worse.sum() - before[1].sum()
                if kind == "dpo":
                    total = total - torch.log(sigmoid(0.1 * ratios[0] - 0.1 * ratios[1]))
                else:
                    total = total + (ratios[0] / len(better) - ratios[1] / len(worse) - 1 / 0.2) ** 2
    return total / len(rows)


def theirs(training: Training, tuned: Path, rows: Sequence[Worded], kind: str) -> Found:
    """The same by plain autograd, one text at a time; `tuned` is what we saved."""
    adapted = (tuned / "adapter_config.json").is_file()
    folder, plain = training.base.folder, partial(AutoModelForCausalLM.from_pretrained, attn_implementation="eager")
    model = plain(folder if adapted else tuned)
    if adapted:
        model = PeftModel.from_pretrained(model, str(tuned), is_trainable=True)
    other = None if adapted else plain(folder).eval().double()
    model.eval().double()

    def base(ids: Sequence[int], trained: Sequence[bool]) -> Tensor:
        with torch.no_grad(), model.disable_adapter() if adapted else nullcontext():
            return plain_logp(model if other is None else other, ids, trained)

    loss = written_out(kind, rows, model, base)
    loss.backward()
    return float(loss.detach()), {
        name.replace(".default.", "."): weight.grad
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


@pytest.mark.parametrize(("kind", "method"), [*((kind, "lora") for kind in KINDS), ("dpo", "full"), ("kto", "full")])
def test_loss_and_gradient_are_those_of_the_paper(
    training: Callable[..., Training], tmp_path: Path, kind: str, method: str
) -> None:
    """However a step's rows are cut, and whether they are packed, padded or a tree."""
    run = training(kind, **(LORA if method == "lora" else FULL), replay=0.0, share_prefixes="on")
    setup = disturbed(ready(run), run)
    rows = list(setup.learner.rows)
    (tmp_path / "tuned").mkdir()
    setup.method.save(tmp_path / "tuned")
    expected = theirs(run, tmp_path / "tuned", rows, kind)
    agree(ours(setup, rows), expected)
    loss = setup.learner.loss
    assert isinstance(loss, PreferLoss)
    for tokens in (10_000, 1):
        setup.learner.cut = partial(cut_packed, tokens=tokens)
        agree(ours(setup, rows), expected)
    loss.forward = padded_states
    agree(ours(setup, rows), expected)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_rewards_are_learnt_as_bradley_and_terry_have_it(
    training: Callable[..., Training], tmp_path: Path, method: str
) -> None:
    """Also: plain `transformers` and `peft` load the scalar head, and merging changes nothing."""
    run = training("reward", **(LORA if method == "lora" else FULL), share_prefixes="on")
    setup = disturbed(ready(run), run, by=0.2)  # else answers that end alike have nearly the same states
    rows = list(setup.learner.rows)
    (tmp_path / "tuned").mkdir()
    setup.method.save(tmp_path / "tuned")
    adapted, pad_id = method == "lora", load_wording(run.base.folder).pad_id
    head = {"num_labels": 1, "pad_token_id": pad_id} if adapted else {}
    model = AutoModelForSequenceClassification.from_pretrained(
        run.base.folder if adapted else tmp_path / "tuned", attn_implementation="eager", **head
    ).eval()
    if adapted:
        model = PeftModel.from_pretrained(model, str(tmp_path / "tuned"), is_trainable=True).eval()
    model.double()

    def rewards() -> Tensor:
        texts = [text for row in rows for text in row.texts]
        return torch.cat([model(input_ids=torch.tensor([text])).logits[0] for text in texts]).view(-1, 2)

    found = rewards()
    loss = -torch.log(sigmoid(found[:, 0] - found[:, 1])).mean()
    loss.backward()
    slopes = {
        name.replace(".modules_to_save.default", "").replace(".default.", "."): weight.grad
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    agree(ours(setup, rows), (float(loss.detach()), slopes))
    if adapted:
        merged = model.merge_and_unload()
        with torch.no_grad():
            again = [merged(input_ids=torch.tensor([text])).logits[0] for row in rows for text in row.texts]
        assert float((torch.cat(again).view(-1, 2) - found.detach()).abs().max()) <= 1e-4


CASES = [("dpo", LORA), ("kto", FULL), ("reward", LORA)]


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_a_broken_run_ends_as_an_unbroken_one_bit_for_bit(
    training: Callable[..., Training], kind: str, method: dict[str, Any]
) -> None:
    settings = {"epochs": 0.7, "share_prefixes": "on", "adapter": {"rank": 2, "dropout": 0.1}}
    run = training(kind, **(settings if method is LORA else {**settings, **FULL, "learning_rate": 0.003}))
    whole = run.run("whole")
    steps = whole.manifest.counts["steps"]
    assert steps >= 3
    with pytest.raises(BrokenError):
        run.run("broken", listener=breaking(steps // 2 + 1))
    assert content(run.run("broken")) == content(whole)


def test_what_was_validated_is_what_is_served(training: Callable[..., Training]) -> None:
    """Win rates and rewards follow from the log-likelihoods and rewards of the engine that evaluates."""
    for kind in ("dpo", "reward"):
        run = training(kind, scale=1.0, replay=0.0, learning_rate=0.02, epochs=1.0)
        model = run.run(kind)
        engine = load_engine(run.base, tuned=model, threads=1)
        rows = pair_rows(engine.wording, 8, first=100)
        if kind == "reward":
            found = torch.tensor(engine.rewards([text for row in rows for text in row.texts])).view(-1, 2)
            leads = found[:, 0] - found[:, 1]
        else:
            texts = [one for row in rows for one in apart(row)]
            tuned, base = (torch.tensor(engine.nats(texts, adapter=active)).view(-1, 2) for active in (True, False))
            leads = 0.1 * ((base - tuned)[:, 0] - (base - tuned)[:, 1])
        loss = float(-torch.nn.functional.logsigmoid(leads).mean())
        assert loss == pytest.approx(model.manifest.facts["best_validation_loss"], rel=1e-5)
        assert loss < math.log(2)


def apart(row: Worded) -> list[Worded]:
    """Each text as a row of its own."""
    cut = row.ends[0]
    return [
        Worded(row.id, row.group, row.at, row.ids[:cut], row.trained[:cut]),
        Worded(row.id, row.group, row.at, row.ids[cut:], row.trained[cut:]),
    ]


def test_the_prompt_is_computed_once_where_it_is_long(training: Callable[..., Training]) -> None:
    run = training("dpo", long=True, adapter={"rank": 2})
    setup = ready(run)
    assert setup.sharing is not None
    assert setup.choices.share_prefixes.value
    lengths, sizes = setup.learner.lengths, setup.sharing.bundles.counted
    assert int(sizes.sum()) < 0.65 * int(lengths.sum())
    shutil.rmtree(run.home / "scratch")
    plain = ready(run, share_prefixes="off")
    rows = list(setup.learner.rows)
    agree(ours(setup, rows), ours(plain, rows))


def lesson(wording: Any, *, rated: tuple[int, int] = (0, 0), **settings: Any) -> Lesson:
    return Lesson(wording, TrainConfig.model_validate(settings), 100, (), rated)


def test_how_to_prefer_follows_from_the_rows(tiny_tokenizer_folder: Path) -> None:
    wording = load_wording(tiny_tokenizer_folder)
    assert settle(lesson(wording))[0].kind == "dpo"
    terms, reason = settle(lesson(wording, rated=(10, 30)))
    assert (terms.kind, terms.good, terms.bad) == ("kto", 1.0, 3.0)
    assert "30 good and 10 bad answers" in reason
    assert settle(lesson(wording, preference="simpo", beta=4.0))[0].beta == 4.0
    for wrong, settings in [
        ("learns from rated answers", {"preference": "kto"}),
        ("learns from pairs", {"preference": "dpo", "rated": (3, 3)}),
        ("margin is a setting of simpo", {"margin": 0.5}),
        ("answers of both kinds", {"rated": (3, 0)}),
    ]:
        with pytest.raises(UserError, match=wrong):
            settle(lesson(wording, **settings))


def test_pairs_and_single_answers_are_not_mixed(make_training: Making) -> None:
    wording = load_wording(make_training("chat").base.folder)
    rows = [*pair_rows(wording, 4), *rated_rows(wording, 4, first=10)]
    with pytest.raises(UserError, match="4 pairs and 4 rated answers"):
        make_training("prefer", rows={"train": rows}).run("run")
    with pytest.raises(UserError, match="12 rows hold one rated answer"):
        make_training("reward", rows={"train": rated_rows(wording, 12)}).run("run")


def test_a_mismatched_answer_is_cut_where_the_context_ends(tiny_tokenizer_folder: Path) -> None:
    wording = load_wording(tiny_tokenizer_folder)
    one, other = rated_rows(wording, 2)
    whole = mismatched(one, other, limit=1000)
    start, others = one.trained.index(True), other.trained.index(True)
    assert whole.ids == one.ids[:start] + other.ids[others:]
    assert sum(whole.trained) == sum(other.trained)
    cut = mismatched(one, other, limit=start + 3)
    assert (len(cut.ids), sum(cut.trained)) == (start + 3, 3)


def test_memory_is_foretold_for_what_a_pair_computes(training: Callable[..., Training]) -> None:
    """Of long prompts the pieces hold as many tokens as their trees, and the base's pass is among what is measured."""
    setup = ready(training("dpo", long=True, replay=0.0, adapter={"rank": 2}))
    learner, pieces = setup.learner, []
    for step in plan_steps(learner.lengths, epochs=1.0, batch_tokens=160, seed=0):
        rows = {place: learner.rows[place] for place in step.rows}
        for piece in learner.cut(rows):
            with LiveBytes() as count:
                learner.loss.sum(learner.model, [rows[place] for place in piece], reminder=None).nats.backward()
            pieces.append(count.peak)
    assert 0.8 * max(pieces) <= setup.memory.activations <= 1.6 * max(pieces)


def test_the_end_of_a_pair_keeps_both_answers(tiny_tokenizer_folder: Path) -> None:
    [row] = long_pairs(pair_rows(load_wording(tiny_tokenizer_folder), 1))
    short = end_of_row(row, len(row.ids) - 40)
    assert [len(before) - len(after) for before, after in zip(row.texts, short.texts, strict=True)] == [20, 20]
    assert sum(short.trained) == sum(row.trained)
    assert len(end_of_row(row, 1).ids) >= 4
