"""Hand-written derivatives against plain autograd in float64."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import distance
from torch import Tensor

from luthier.models.fused import (
    CHUNK,
    labelled_loss,
    lora_product,
    rms_norm,
    stacked_product,
    swiglu,
    token_nats,
    turn,
)

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
    parts = [part.double() for part in parts]  # sums may all but cancel
    weight, slope = random(outputs, inputs, seed=4).double(), random(tokens, outputs, seed=5).double()
    wide = [part.clone().requires_grad_() for part in parts]
    x, a, b = wide
    expected = x @ weight.t() + scale * (x @ a.t() @ b.t())
    expected.backward(slope)
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


def agree(found: Tensor, parts: list[Tensor], expected: Tensor, wide: list[Tensor]) -> None:
    """The same values, and the same gradients of all parts for an arbitrary slope."""
    slope = random(*found.shape, seed=9).to(found.dtype)
    (expected * slope.double()).sum().backward()
    (found * slope).sum().backward()
    assert distance(found, expected) <= 1e-5
    for mine, oracle in zip(parts, wide, strict=True):
        assert distance(mine.grad, oracle.grad) <= 1e-5


def both(*parts: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    return [part.clone().requires_grad_() for part in parts], [part.double().requires_grad_() for part in parts]


@settings(deadline=None, max_examples=20)
@given(tokens=sizes, inputs=sizes, outputs=st.lists(sizes, min_size=1, max_size=3), rank=sizes)
def test_stacked_layers_are_the_plain_products_side_by_side(
    tokens: int, inputs: int, outputs: list[int], rank: int
) -> None:
    weights = [random(size, inputs, seed=size) for size in outputs]
    scales = tuple(0.5 + place for place in range(len(outputs)))
    downs = [random(rank, inputs, seed=30 + place) for place in range(len(outputs))]
    ups = [random(size, rank, seed=40 + place) for place, size in enumerate(outputs)]
    _, wide = both(random(tokens, inputs, seed=1), *downs, *ups)
    parts = [part.detach().clone().requires_grad_() for part in wide]  # sums may all but cancel
    count = len(outputs)
    x, a, b = wide[0], wide[1 : count + 1], wide[count + 1 :]
    expected = torch.cat(
        [x @ weights[i].double().t() + scales[i] * (x @ a[i].t() @ b[i].t()) for i in range(count)], dim=1
    )
    room = torch.zeros(sum(outputs), inputs + rank * count, dtype=torch.float64)
    room[:, :inputs] = torch.cat(weights)
    agree(stacked_product(parts[0], room, None, scales, *parts[1:]), parts, expected, wide)


@given(tokens=sizes, width=st.integers(3, 12))
def test_the_norm_is_that_of_its_formula(tokens: int, width: int) -> None:
    parts, wide = both(random(tokens, width, seed=1), random(width, seed=2))
    x, weight = wide
    expected = weight * x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    agree(rms_norm(*parts, 1e-5), parts, expected, wide)


@given(tokens=sizes, width=sizes)
def test_swiglu_is_that_of_its_formula(tokens: int, width: int) -> None:
    parts, wide = both(random(tokens, 2 * width, seed=1))
    gate, up = wide[0].chunk(2, dim=1)
    agree(swiglu(parts[0]), parts, F.silu(gate) * up, wide)


@given(tokens=sizes, group=st.integers(1, 3), key_heads=st.integers(1, 3), half=sizes)
def test_turning_is_multiplying_by_complex_numbers(tokens: int, group: int, key_heads: int, half: int) -> None:
    heads, size = group * key_heads, 2 * half
    parts, wide = both(random(tokens, (heads + 2 * key_heads) * size, seed=1))
    angles = random(tokens, 1, half, seed=2)
    q, k, v = wide[0].unflatten(1, (-1, size)).split([heads, key_heads, key_heads], dim=1)
    turned = [
        torch.view_as_real(torch.complex(*part.chunk(2, dim=-1)) * torch.exp(1j * angles.double()))
        .transpose(-1, -2)
        .flatten(-2)
        for part in (q, k)
    ]
    found = turn(parts[0], angles.cos(), angles.sin(), key_heads)
    agree(torch.cat(found, dim=1), parts, torch.cat([*turned, v], dim=1), wide)
