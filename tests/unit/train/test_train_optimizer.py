"""The one-pass optimizer against torch's, and its copies in another type."""

import copy
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from luthier.train import optimizer
from luthier.train.optimizer import AdamW


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "BLOCK", 64)


def make_weights(*types: torch.dtype) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 9), (5,), (3, 50)]
    return {
        f"w{place}": nn.Parameter(torch.randn(*shape, generator=generator).to(types[place % len(types)]))
        for place, shape in enumerate(shapes)
    }


def fill(weights: Mapping[str, nn.Parameter], step: int) -> None:
    """Gradients of a step, added to what is there."""
    generator = torch.Generator().manual_seed(step)
    for weight in weights.values():
        gradient = torch.randn(weight.shape, generator=generator) * step
        weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)


@pytest.mark.parametrize("clip", [0.5, 1e9])
def test_it_steps_as_torch_does(clip: float) -> None:
    weights = make_weights(torch.float32)
    plain = copy.deepcopy(weights)
    own = AdamW(weights, decay=0.1)
    oracle = torch.optim.AdamW(plain.values(), lr=1.0, weight_decay=0.1)
    for step in range(1, 8):
        fill(weights, step)
        fill(plain, step)
        assert own.step(rate=0.1 / step, clip=clip)
        own.forget()
        torch.nn.utils.clip_grad_norm_(plain.values(), clip)
        oracle.param_groups[0]["lr"] = 0.1 / step
        oracle.step()
        oracle.zero_grad()
        for name, weight in weights.items():
            assert torch.allclose(weight, plain[name], rtol=1e-5, atol=1e-6)


def test_weights_may_have_rates_of_their_own() -> None:
    """As groups of torch's optimizer have: LoRA+ and what is left."""
    weights = make_weights(torch.float32)
    plain = copy.deepcopy(weights)
    own = AdamW(weights, decay=0.1, ratios={"w0": 16.0})
    groups = [{"params": [plain["w0"]], "lr": 1.6}, {"params": [plain["w1"], plain["w2"]], "lr": 0.1}]
    oracle = torch.optim.AdamW(groups, weight_decay=0.1)
    for step in range(1, 5):
        fill(weights, step)
        fill(plain, step)
        assert own.step(rate=0.1, clip=1e9)
        own.forget()
        oracle.step()
        oracle.zero_grad()
        for name, weight in weights.items():
            assert torch.allclose(weight, plain[name], rtol=1e-5, atol=1e-6)


def test_other_types_are_rounded_copies_of_float32_masters() -> None:
    weights = make_weights(torch.bfloat16, torch.float32)
    wide = {name: nn.Parameter(weight.detach().float()) for name, weight in weights.items()}
    own, masters = AdamW(weights, decay=0.0), AdamW(wide, decay=0.0)
    for step in range(1, 50):
        for each in (weights, wide):
            fill(each, step)
        for each in (own, masters):
            each.step(rate=1e-4, clip=1.0)
            each.forget()
    for name, weight in weights.items():
        assert torch.equal(own.state()[f"weight.{name}"], wide[name])
        assert torch.equal(weight, wide[name].to(weight.dtype))


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    weights = make_weights(torch.bfloat16)
    own = AdamW(weights, decay=0.1)
    before = clones(own.state())
    fill(weights, 1)
    weights["w2"].grad[1, 2] = torch.inf
    assert not own.step(rate=0.1, clip=1.0)
    own.forget()
    assert all(torch.equal(before[name], value) for name, value in own.state().items())
    assert all(bool((weight.grad == 0).all()) for weight in weights.values())


def test_what_was_saved_continues_bit_for_bit() -> None:
    weights = make_weights(torch.bfloat16, torch.float32)
    own = AdamW(weights, decay=0.1)
    saved = []
    for step in range(1, 7):
        fill(weights, step)
        own.step(rate=0.1, clip=1.0)
        own.forget()
        saved.append((clones(own.state()), clones(weights)))
    others = make_weights(torch.bfloat16, torch.float32)
    again = AdamW(others, decay=0.1)
    again.restore(saved[2][0])
    for step in range(4, 7):
        fill(others, step)
        again.step(rate=0.1, clip=1.0)
        again.forget()
    for found, expected in zip((again.state(), others), saved[-1], strict=True):
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    again.restore_weights(lambda: saved[0][0])
    assert all(torch.equal(others[name], value) for name, value in saved[0][1].items())
    again.restore_weights(lambda: saved[0][0], lambda: saved[1][0], lambda: saved[2][0])
    for name, weight in others.items():
        parts = [state[f"weight.{name}"] for state, _ in saved[:3]]
        assert torch.equal(weight, (sum(parts) / 3).to(weight.dtype))
    again.close()
    assert all(weight.grad is None for weight in others.values())


def clones(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}
