"""Training steps on passages and their questions, in a process of its own; a step learns from one passage's questions.

python -m bench.engine._t2_loop ROWS SEED auto|off      takes a step when the bench says so
python -m bench.engine._t2_loop ROWS SEED gradient      compares the gradients of one step, in float32
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from bench.datasets import write_dataset
from bench.engine._gate import Gate
from bench.engine._luthier_loop import BASE, read
from bench.engine._passages import QUESTIONS
from torch import Tensor

from luthier.models.adapters import lora_layers
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.models.forward import packed_states
from luthier.models.machine import keeping_freed_memory, use_all_cores
from luthier.records import nobody_listens
from luthier.train.batches import StepPlan, cut_by_length
from luthier.train.config import TrainConfig
from luthier.train.losses.chat import ChatLoss
from luthier.train.prefixes import groves
from luthier.train.setup import Job, Setup, set_up
from luthier.train.stopping import History


def main() -> None:
    """Do what was asked."""
    gate = Gate()
    file, seed, asked = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    use_all_cores()
    settings = {"share_prefixes": "on", "dtype": "float32"} if asked == "gradient" else {"share_prefixes": asked}
    config = TrainConfig.model_validate({"seed": seed, "replay": 0.0, **settings})
    with tempfile.TemporaryDirectory() as folder, keeping_freed_memory():
        dataset = write_dataset(Path(folder) / "dataset", read(file), base=base, objective="chat")
        setup = set_up(Job(dataset, base, config, wording, Path(folder), nobody_listens))
        if asked == "gradient":
            gate.end(**_compare(setup))
        else:
            _take_steps(setup, gate)


def _plans(setup: Setup) -> list[StepPlan]:
    """One step per passage."""
    count = len(setup.learner.rows) // QUESTIONS
    return [StepPlan(n + 1, 0.0, tuple(range(n * QUESTIONS, (n + 1) * QUESTIONS))) for n in range(count)]


def _take_steps(setup: Setup, gate: Gate) -> None:
    learner, plans, history = setup.learner, _plans(setup), History()
    if setup.sharing is not None:
        members = setup.sharing.bundles.members
        dealt = {tuple(members.of(place).tolist()) for place in range(len(members.lengths))}
        assert dealt == {plan.rows for plan in plans}, "a passage was cut"
    gate.ready(steps=len(plans), choices=setup.choices.as_rows(), reasons=setup.reasons)
    for plan in plans:
        held = {row: learner.rows[row] for row in plan.rows}
        pieces = learner.cut(held)
        trees = [groves({row: held[row] for row in piece}, tokens=10**9)[0] for piece in pieces]
        shared = sum(sum(tree.added) for tree in trees)
        gate.wait()
        learned = learner.learn(plan, of=100, history=history)
        computed = learned.tokens if setup.sharing is None else shared
        gate.done(tokens=learned.tokens, loss=learned.loss, computed=computed, pieces=len(pieces))
    assert history.skipped == 0, "a step without a finite loss is no step"
    gate.end()


def _compare(setup: Setup) -> dict[str, float]:
    """Differences of the gradient and the loss of a step with sharing from those of its rows one by one."""
    learner, generator = setup.learner, torch.Generator().manual_seed(1)
    for _, layer in lora_layers(setup.loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=0.02, generator=generator)  # so that both factors have gradients
    shared, loss = _gradient(setup)
    learner.loss, learner.cut = ChatLoss(packed_states), partial(cut_by_length, tokens=1)
    alone, loss_alone = _gradient(setup)
    return {
        "error": float((shared - alone).abs().max() / alone.abs().max()),
        "error_of_norm": float((shared - alone).norm() / alone.norm()),
        "error_of_loss": abs(loss - loss_alone) / loss_alone,
    }


def _gradient(setup: Setup) -> tuple[Tensor, float]:
    """The gradient of the first step's sum of nats, over all weights that train, and the sum."""
    learner, total = setup.learner, 0.0
    held = {row: learner.rows[row] for row in _plans(setup)[0].rows}
    for piece in learner.cut(held):
        nats = learner.loss.sum(learner.model, [held[row] for row in piece], reminder=None).nats
        nats.backward()
        total += float(nats.detach())
    gradient = learner.optimizer.gradient_P.double()
    learner.optimizer.forget()
    return gradient, total


if __name__ == "__main__":
    main()
