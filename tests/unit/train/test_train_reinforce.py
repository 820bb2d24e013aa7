"""Grades of a model's own answers: loss and gradient as in the paper, and answers that can be drawn again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch
from peft import PeftModel
from test_train_oracles import Found, ready
from test_train_prefer import agree, plain_logp
from test_train_prefer import ours as mean_of_rows
from test_train_resume import BrokenError, breaking
from trainings import GRADING, Training, chat_row, content, make_rows
from transformers import AutoModelForCausalLM

from luthier.errors import UserError
from luthier.graders.marking import GraderConfig, Grading
from luthier.models.adapters import lora_layers
from luthier.models.chat import load_wording
from luthier.models.forward import padded_states
from luthier.records import Worded
from luthier.train.batches import cut_packed
from luthier.train.diagnosis import Circumstances, diagnose
from luthier.train.learner import Summed
from luthier.train.losses.reinforce import ReinforceLoss, advantages
from luthier.train.setup import Setup

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
Making = Callable[..., Training]
FULL: dict[str, Any] = {"method": "full", "adapter": {}}
LORA: dict[str, Any] = {"method": "lora", "adapter": {"rank": 2, "dropout": 0.0}}
FEW: dict[str, Any] = {"samples": 4, "answer_tokens": 6}
SMALL: dict[str, Any] = {"reinforce": FEW, "batch_tokens": 700, "micro_batch_tokens": 200, "replay": 0.0}
"""About four prompts a step, each with four answers."""


def loss_of(setup: Setup) -> ReinforceLoss:
    loss = setup.learner.loss
    assert isinstance(loss, ReinforceLoss)
    return loss


def moved(setup: Setup, *, by: float) -> None:
    """Every trained weight goes a little away."""
    generator = torch.Generator().manual_seed(2)
    for weight in setup.learner.model.parameters():
        if weight.requires_grad:
            weight.data.add_(torch.randn(weight.shape, generator=generator), alpha=by)


def ours(setup: Setup, rows: Sequence[Worded]) -> Found:
    """Mean loss of a token of these answers, and its gradient."""
    units = loss_of(setup).units(rows)
    total, slopes = mean_of_rows(setup, rows)
    return total * len(rows) / units, {name: slope * len(rows) / units for name, slope in slopes.items()}


def theirs(training: Training, tuned: Path, answers: Sequence[Worded], setup: Setup) -> tuple[Found, int]:
    """GRPO as its paper has it, token by token, in float64 by plain `transformers` and `peft`; and how many tokens were
    clipped.
    """
    adapted, loss = (tuned / "adapter_config.json").is_file(), loss_of(setup)
    model = AutoModelForCausalLM.from_pretrained(
        training.base.folder if adapted else tuned, attn_implementation="eager"
    )
    model = PeftModel.from_pretrained(model, str(tuned), is_trainable=True) if adapted else model
    model.eval().double()
    total, tokens, cut = torch.zeros((), dtype=torch.float64), 0, 0
    for row in answers:
        lot = loss.lot(row)
        logp = plain_logp(model, row.ids, row.trained)
        ratio = torch.exp(logp - torch.tensor(lot.logp))
        gain = torch.full_like(ratio, lot.advantage)
        bounded = torch.where(ratio > 1.2, 1.2, torch.where(ratio < 0.8, 0.8, ratio))
        total = total - torch.min(ratio * gain, bounded * gain).sum()
        cut += int((bounded * gain < ratio * gain).sum())
        tokens += len(ratio)
        if loss.terms.kl:
            with torch.no_grad(), model.disable_adapter():
                base = plain_logp(model, row.ids, row.trained)
            total = total + loss.terms.kl * (ratio * (torch.exp(base - logp) - (base - logp) - 1)).sum()
    mean = total / tokens
    mean.backward()
    slopes = {
        name.replace(".default.", "."): weight.grad
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    return (float(mean.detach()), slopes), cut


@pytest.mark.parametrize(("method", "kl"), [("lora", 0.0), ("lora", 0.3), ("full", 0.0)])
def test_loss_and_gradient_are_those_of_the_paper(
    make_training: Making, tmp_path: Path, method: str, kl: float
) -> None:
    """However a step's answers are cut, and whether they are a tree, packed or padded; the policy has moved on since
    they were drawn, so some tokens are clipped.
    """
    settings = {
        **SMALL,
        **(LORA if method == "lora" else FULL),
        "reinforce": {**FEW, "kl": kl, "scale_by_spread": True},
    }
    run = make_training("reinforce", **settings)
    setup = ready(run)
    rows = list(loss_of(setup).write(dict(enumerate(setup.learner.rows[:6])), step=1).values())
    assert len(rows) == 24
    moved(setup, by=0.1 if method == "lora" else 0.05)
    (tmp_path / "tuned").mkdir()
    setup.method.save(tmp_path / "tuned")
    expected, cut = theirs(run, tmp_path / "tuned", rows, setup)
    assert cut > 5
    agree(ours(setup, rows), expected)
    assert loss_of(setup).told()["clipped"] == pytest.approx(cut / sum(sum(row.trained) for row in rows))
    for tokens in (10_000, 1):
        setup.learner.cut = partial(cut_packed, tokens=tokens)
        agree(ours(setup, rows), expected)
    loss_of(setup).forward = padded_states
    agree(ours(setup, rows), expected)


def test_advantages_compare_within_a_group() -> None:
    rewards = np.array([[1.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 2.0]])
    gains = advantages(rewards, scale_by_spread=False)
    assert gains.tolist() == [[0.5, -0.5, -0.5, 0.5], [0.0] * 4, [-0.5, -0.5, -0.5, 1.5]]
    scaled = advantages(rewards, scale_by_spread=True)
    spread = math.sqrt(4 * 0.25 / 3)
    assert scaled[0].tolist() == pytest.approx([0.5 / (spread + 1e-4) * sign for sign in (1, -1, -1, 1)])
    assert scaled[1].tolist() == [0.0] * 4


VARIANTS: dict[str, dict[str, Any]] = {
    "lora": LORA,
    "dora": {"adapter": {"rank": 2, "variant": "dora"}},
    "trained whole beside it": {"adapter": {"rank": 2, "modules_to_save": ["embed_tokens"]}},
    "all weights": FULL,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_answers_are_drawn_from_the_model_as_it_is_now(make_training: Making, name: str) -> None:
    """What a token's likelihood was when it was drawn is what the model that learns gives it."""
    setup = ready(make_training("reinforce", **{**SMALL, **VARIANTS[name]}))
    loss, held = loss_of(setup), dict(enumerate(setup.learner.rows[:3]))
    for step, by in enumerate((0.0, 0.1, 0.1)):
        moved(setup, by=by)
        rows = list(loss.write(held, step=step).values())
        setup.learner.model.eval()
        found = loss._logp(setup.learner.model, rows)
        drawn = torch.tensor([value for row in rows for value in loss.lot(row).logp])
        assert len(drawn) == sum(sum(row.trained) for row in rows)
        torch.testing.assert_close(drawn, found, rtol=1e-4, atol=1e-4)


def test_an_answer_depends_on_seed_step_row_and_place_alone(make_training: Making) -> None:
    run = make_training("reinforce", **SMALL)
    setup = ready(run)
    loss, rows = loss_of(setup), setup.learner.rows

    def drawn(numbers: Sequence[int], step: int) -> dict[int, tuple[int, ...]]:
        written = loss.write({number: rows[number] for number in numbers}, step=step)
        return {number: row.ids for number, row in written.items()}

    first = drawn([3, 5], 1)
    assert len(set(first.values())) > 4
    assert drawn([5, 3], 1) == first
    assert drawn([3, 5], 2) != first
    others = drawn([5, 9, 11], 1)
    assert all(others[number] == ids for number, ids in first.items() if number in others)


@pytest.mark.parametrize("method", [{"adapter": {"rank": 2, "dropout": 0.1}}, {**FULL, "learning_rate": 0.003}])
def test_a_broken_run_ends_as_an_unbroken_one_bit_for_bit(make_training: Making, method: dict[str, Any]) -> None:
    run = make_training("reinforce", **{**SMALL, **method, "replay": 0.2, "epochs": 1.0})
    whole = run.run("whole")
    steps = whole.manifest.counts["steps"]
    assert steps >= 4
    with pytest.raises(BrokenError):
        run.run("broken", listener=breaking(steps // 2 + 1))
    assert content(run.run("broken")) == content(whole)


def test_pieces_of_a_step_add_up(make_training: Making) -> None:
    setup = ready(make_training("reinforce", **{**SMALL, **LORA}))
    rows = list(loss_of(setup).write(dict(enumerate(setup.learner.rows[:4])), step=1).values())
    moved(setup, by=0.1)
    whole = ours(setup, rows)
    pieces = setup.learner.cut(dict(enumerate(rows)))
    assert len(pieces) > 1
    setup.learner.cut = lambda held: [list(held)]
    agree(ours(setup, rows), whole)


def test_what_is_rewarded_becomes_likelier(make_training: Making) -> None:
    """Any small letter is rewarded: a base with random weights writes one by chance, the trained one nearly always."""
    settings = {**FULL, "learning_rate": 0.02, "epochs": 6.0, "scale": 1.0, "checkpoint_minutes": 60.0}
    model = make_training("reinforce", **{**SMALL, **settings}).run("run")
    curve = [point for point in points(model.path) if "reward" in point]
    early, late = (float(np.mean([point["reward"] for point in part])) for part in (curve[:5], curve[-5:]))
    assert late > early + 0.2
    assert late > 0.9
    assert {"reward", "even_groups", "answer_tokens", "clipped"} <= curve[0].keys()
    assert curve[0]["loss"] == pytest.approx(1 - curve[0]["reward"])
    looks = [point["validation_loss"] for point in points(model.path) if "validation_loss" in point]
    assert looks[-1] < looks[0]


def points(model: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (model / "curve.jsonl").read_bytes().splitlines()]


def test_what_cannot_be_graded_is_told_with_its_place(make_training: Making) -> None:
    wording = load_wording(make_training("chat").base.folder)
    rows = make_rows(wording, "reinforce", 12)
    for graders, gold, message in [
        (({"grader": "numeric"},), "no", r"a\.csv:7: grader numeric: the gold 'no' holds no number"),
        (({"grader": "json"},), "no", r"a\.csv:7: the gold 'no' would itself earn nothing"),
        (({"grader": "regex", "options": {"pattern": "("}},), "no", r"a\.csv:7: grader regex: pattern '\('"),
        (({"grader": "psychic"},), "no", r"a\.csv:7: there is no grader 'psychic'. There are: contains, exact"),
    ]:
        grading = Grading((gold,), tuple(GraderConfig.model_validate(one) for one in graders)).text
        bad = [replace(row, grading=grading) if place == 7 else row for place, row in enumerate(rows)]
        with pytest.raises(UserError, match=message):
            make_training("reinforce", rows={"train": bad}, **SMALL).run("run")


def test_what_would_do_nothing_or_has_no_base_is_refused(make_training: Making) -> None:
    with pytest.raises(UserError, match=r"train\.reinforce is for objective reinforce"):
        make_training("chat", reinforce={"samples": 4}).run("run")
    with pytest.raises(UserError, match="method: full leaves nothing"):
        make_training("reinforce", **{**SMALL, **FULL, "reinforce": {**FEW, "kl": 0.1}}).run("run")


def test_groups_without_spread_are_diagnosed() -> None:
    """Nothing can be learnt where all answers to a prompt earn the same."""
    curve = [{"step": step, "loss": 1.0, "reward": 0.0, "even_groups": 0.98} for step in range(1, 31)]
    findings = diagnose(curve, Circumstances(rows=500))
    [alike] = [finding for finding in findings if finding.kind == "rewards alike"]
    assert "98 %" in alike.words
    solved = [{**point, "loss": 0.001, "reward": 1.0} for point in curve]
    assert "rewards alike" not in {finding.kind for finding in diagnose(solved, Circumstances(rows=500))}


def test_the_graders_of_the_project_judge_rows_that_name_none(make_training: Making) -> None:
    wording = load_wording(make_training("chat").base.folder)
    plain = [
        replace(chat_row(wording, place, f"is {place}", "no"), grading=Grading(("no",)).text) for place in range(12)
    ]
    length = {"grader": "length", "weight": 2.0, "options": {"most_words": 400}}
    settings = {**SMALL, "reinforce": {**FEW, "graders": [{"grader": "exact"}, length]}}
    setup = ready(make_training("reinforce", rows={"train": plain, "validation": plain[:4]}, **settings))
    loss = loss_of(setup)
    loss.write({0: setup.learner.rows[0]}, step=1)
    assert loss.told()["reward"] == pytest.approx(2.0)
    assert loss.told()["loss"] == pytest.approx(1.0)
    assert setup.learner.score(plain[:2]) == pytest.approx([1.0, 1.0])
    assert isinstance(loss.sum(setup.learner.model, plain[:2], reminder=None), Summed)
    assert plain[0].grading != GRADING
    assert any(lora_layers(setup.learner.model))
