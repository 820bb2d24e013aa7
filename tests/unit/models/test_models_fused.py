"""The two hand-written derivatives against plain autograd in float64."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import distance
from torch import Tensor

from luthier.models.fused import CHUNK, labelled_loss, lora_product, token_nats

sizes = st.integers(1, 12)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=30)
@given(tokens=sizes, inputs=sizes, outputs=sizes, rank=sizes, scale=st.floats(0.125, 8), below=st.booleans())
def test_lora_is_the_plain_product(
    tokens: int, inputs: int, outputs: int, rank: int, scale: float, below: bool
) -> None:
    parts = [
        random(*shape, seed=place) for place, shape in enumerate([(tokens, inputs), (rank, inputs), (outputs, rank)])
    ]
    weight, slope = random(outputs, inputs, seed=4), random(tokens, outputs, seed=5)
    wide = [part.double().requires_grad_() for part in parts]
    x, a, b = wide
    expected = x @ weight.double().t() + scale * (x @ a.t() @ b.t())
    expected.backward(slope.double())
    x, a, b = (part.clone().requires_grad_(below or place > 0) for place, part in enumerate(parts))
    found = lora_product(x, weight, a, b, scale)
    found.backward(slope)
    assert distance(found, expected) <= 1e-5
    for mine, oracle in zip((x, a, b), wide, strict=True):
        if mine.requires_grad:
            assert distance(mine.grad, oracle.grad) <= 1e-5
    assert (x.grad is None) is not below


@pytest.mark.parametrize("tokens", [1, CHUNK - 1, CHUNK, CHUNK + 188])
@pytest.mark.parametrize("factor", [1.0, 1 / 37])
def test_the_loss_and_its_gradient_are_those_of_cross_entropy(tokens: int, factor: float) -> None:
    states, head = random(tokens, 16, seed=1), random(50, 16, seed=2)
    targets = torch.randint(0, 50, (tokens,), generator=torch.Generator().manual_seed(3))
    wide = states.double().requires_grad_()
    expected = F.cross_entropy(wide @ head.double().t(), targets, reduction="sum")
    (expected * factor).backward()
    narrow = states.clone().requires_grad_()
    found = labelled_loss(narrow, head, targets)
    assert found.dtype is torch.float64
    (found * factor).backward()
    assert distance(found.detach(), expected.detach()) <= 1e-5
    assert distance(narrow.grad, wide.grad) <= 1e-5
    nats = token_nats(states, head, targets)
    assert distance(nats, F.cross_entropy(states.double() @ head.double().t(), targets, reduction="none")) <= 1e-5


def test_no_targets_cost_nothing() -> None:
    assert token_nats(torch.zeros(0, 4), torch.zeros(9, 4), torch.zeros(0, dtype=torch.long)).shape == (0,)
    states = torch.zeros(0, 4, requires_grad=True)
    total = labelled_loss(states, torch.zeros(9, 4), torch.zeros(0, dtype=torch.long))
    total.backward()
    assert float(total.detach()) == 0
