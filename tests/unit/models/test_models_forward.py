"""Packed rows, padded rows and each row alone: the same states, logits and gradients."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import SETTINGS, WINDOW, distance, eager, random_rows, tiny_model
from torch import Tensor
from transformers import PreTrainedModel

from luthier.models.attention import packed_layout
from luthier.models.forward import (
    Forward,
    batches_by_length,
    choose_forward,
    packed_states,
    pad_left,
    pad_rows,
    padded_states,
)
from luthier.models.load import head_weight

PACKABLE = ["llama", "gpt2", "qwen3", "gemma3_text", "mistral", "opt"]
many_lengths = st.lists(st.integers(1, 3 * WINDOW), min_size=1, max_size=6)
Rows = Sequence[Sequence[int]]


def alone(model: PreTrainedModel, rows: Rows) -> Tensor:
    """Logits of every row by itself, as plain `transformers` computes them."""
    with eager(model):
        return torch.cat([model(input_ids=torch.tensor([row]), use_cache=False).logits[0] for row in rows])


def through(forward: Forward, model: PreTrainedModel, rows: Rows) -> Tensor:
    return forward(model, rows) @ head_weight(model).t()


def gradients(model: PreTrainedModel, logits: Tensor) -> Tensor:
    """Gradients of all weights for an arbitrary loss over all logits."""
    loss = (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)])


@pytest.mark.parametrize("kind", PACKABLE)
@settings(deadline=None, max_examples=8)
@given(lengths=many_lengths)
def test_packed_padded_and_alone_agree(kind: str, lengths: list[int]) -> None:
    model, rows = tiny_model(kind), random_rows(lengths)
    expected = alone(model, rows)
    slopes = gradients(model, expected)
    for forward in (packed_states, padded_states):
        logits = through(forward, model, rows)
        assert distance(logits, expected) <= 1e-5
        assert distance(gradients(model, logits), slopes) <= 1e-5


@pytest.mark.parametrize("kind", SETTINGS)
def test_whatever_path_is_chosen_on_short_rows_is_right_on_long_ones(kind: str) -> None:
    model = tiny_model(kind)
    forward, reason = choose_forward(model, random_rows([3, 5, 2, 4]))
    assert reason.startswith("packed" if forward is packed_states else "padded")
    assert (forward is packed_states) == (kind in PACKABLE), reason
    with torch.no_grad():
        rows = random_rows([3 * WINDOW, 5, 2 * WINDOW, 1])
        assert distance(through(forward, model, rows), alone(model, rows)) <= 1e-5


def test_one_row_is_not_enough_to_trust_packing() -> None:
    forward, _ = choose_forward(tiny_model("bloom"), random_rows([5]))
    assert forward is padded_states


def test_states_that_are_no_numbers_are_not_trusted() -> None:
    model = tiny_model("llama", rms_norm_eps=float("nan"))
    forward, reason = choose_forward(model, random_rows([3, 5]))
    assert (forward, reason.partition(":")[0]) == (padded_states, "padded")


def test_choosing_leaves_the_model_in_its_mode() -> None:
    model = tiny_model("llama", attention_dropout=0.1)
    for mode in (True, False):
        model.train(mode)
        choose_forward(model, random_rows([3, 5]))
        assert model.training is mode


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_a_layout_holds_every_token_once(lengths: list[int]) -> None:
    layout = packed_layout(lengths)
    gather = layout.gather
    filled = torch.ones(len(gather), dtype=torch.bool)
    if layout.padded is not None:
        filled[layout.padded] = False
    assert gather.shape == filled.shape
    assert sorted(gather[filled].tolist()) == list(range(sum(lengths)))
    assert gather[layout.inverse].tolist() == list(range(sum(lengths)))
    assert sum(bucket.rows * bucket.length for bucket in layout.buckets) == len(gather)
    assert sum(bucket.rows for bucket in layout.buckets) == len(lengths)


@given(lengths=st.lists(st.integers(1, 60), max_size=20), tokens=st.integers(1, 200))
def test_batches_hold_every_row_once_and_keep_the_limit(lengths: list[int], tokens: int) -> None:
    batches = batches_by_length(random_rows(lengths), tokens=tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= tokens


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_padding_keeps_every_row(lengths: list[int]) -> None:
    rows = random_rows(lengths)
    for pad in (pad_rows, pad_left):
        ids, mask = pad(rows, pad_id=2)
        assert [tuple(row[kept.bool()].tolist()) for row, kept in zip(ids, mask, strict=True)] == rows
        assert (ids[mask == 0] == 2).all()
    assert [row[-1] for row in pad_left(rows, pad_id=2)[0].tolist()] == [row[-1] for row in rows]
