"""Gradients of trained weights against plain autograd, whether or not they have a buffer to go to."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_models import distance, eager, random_rows, tiny_model
from torch import Tensor, nn

from luthier.models.dense import DenseEmbedding, DenseLinear, densify, trained_head_loss
from luthier.models.forward import packed_states
from luthier.models.fused import CHUNK
from luthier.models.load import head_weight

ROWS = random_rows([5, 17, 9, 40])
CASES = [("llama", True), ("llama", False), ("gpt2", True), ("qwen3", True), ("opt", True), ("gemma3_text", True)]


def plain_gradients(model: Any) -> dict[str, Tensor]:
    """Of the sum of next-token losses, row by row, through logits."""
    with eager(model):
        total = torch.zeros(())
        for row in ROWS:
            logits = model(input_ids=torch.tensor([row])).logits[0, :-1]
            total = total + F.cross_entropy(logits, torch.tensor(row[1:]), reduction="sum")
        total.backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


def own_gradients(model: Any, *, pieces: int, buffers: bool) -> dict[str, Tensor]:
    """The same through packed states, in several micro-batches."""
    densify(model, skip=("lm_head",))
    if buffers:
        for weight in model.parameters():
            weight.grad = torch.zeros_like(weight)
    before = {name: weight.grad for name, weight in model.named_parameters()}
    for place in range(pieces):
        rows = ROWS[place::pieces]
        states = packed_states(model, rows).split([len(row) for row in rows])
        labelled = torch.cat([each[:-1] for each in states])
        targets = torch.tensor([token for row in rows for token in row[1:]])
        trained_head_loss(labelled, head_weight(model), targets).backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    if buffers:
        assert all(gradients[name] is before[name] for name in gradients)
    return gradients


@pytest.mark.parametrize(("kind", "tied"), CASES)
def test_every_gradient_is_the_plain_one(kind: str, tied: bool) -> None:
    model = copy.deepcopy(tiny_model(kind, tie_word_embeddings=tied)).requires_grad_(True)
    expected = plain_gradients(copy.deepcopy(model))
    for pieces, buffers in ((1, True), (3, True), (2, False)):
        found = own_gradients(copy.deepcopy(model), pieces=pieces, buffers=buffers)
        assert found.keys() == expected.keys()
        largest = max(float(gradient.abs().max()) for gradient in expected.values())
        for name, gradient in expected.items():
            if float(gradient.abs().max()) > 1e-6 * largest:  # that of a key's bias is zero, but for rounding
                assert distance(found[name], gradient) <= 1e-5, name


@pytest.mark.parametrize("tokens", [1, CHUNK, CHUNK + 188])
def test_a_trained_head_learns_in_chunks(tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    states, head = (torch.randn(*shape, generator=generator) for shape in ((tokens, 16), (50, 16)))
    targets = torch.randint(0, 50, (tokens,), generator=generator)
    wide = [part.double().requires_grad_() for part in (states, head)]
    expected = F.cross_entropy(wide[0] @ wide[1].t(), targets, reduction="sum")
    (expected / 37).backward()
    own = [part.clone().requires_grad_() for part in (states, head)]
    found = trained_head_loss(*own, targets)
    (found / 37).backward()
    assert distance(found.detach(), expected.detach()) <= 1e-5
    for mine, oracle in zip(own, wide, strict=True):
        assert distance(mine.grad, oracle.grad) <= 1e-5


def test_the_padding_token_learns_nothing() -> None:
    ids = torch.tensor([[3, 1, 1], [0, 3, 2]])
    plain = nn.Embedding(5, 4, padding_idx=1)
    own = DenseEmbedding(copy.deepcopy(plain))
    for module in (plain, own):
        (module(ids) * torch.arange(24.0).view(2, 3, 4)).sum().backward()
    assert torch.equal(own.weight.grad, plain.weight.grad)


def test_bfloat16_gradients_add_up_in_float32() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 32, dtype=torch.bfloat16)
    rows = [torch.randn(48, 64).bfloat16() for _ in range(40)]
    expected = sum(torch.ones(32, 48).double() @ x.double() for x in rows)
    own = DenseLinear(layer)
    own.weight.grad_dtype = torch.float32
    own.weight.grad = torch.zeros(32, 64)
    for x in rows:
        own(x).sum().backward()
    assert distance(own.weight.grad, expected) < 2e-3
    plain = copy.deepcopy(layer)
    plain.weight.grad = None
    for x in rows:
        F.linear(x, plain.weight).sum().backward()
    assert distance(plain.weight.grad, expected) > 4e-3


def test_named_and_other_layers_stay_as_they_are() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "head": nn.Linear(2, 2), "norm": nn.LayerNorm(2)})
    weight = model["a"].weight
    densify(model, skip=("head",))
    assert [type(module) for module in model.values()] == [DenseLinear, nn.Linear, nn.LayerNorm]
    assert model["a"].weight is weight
    assert set(model.state_dict()) == {"a.weight", "a.bias", "head.weight", "head.bias", "norm.weight", "norm.bias"}
