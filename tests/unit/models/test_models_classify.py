"""Classifiers: a stream of rows, padded rows and each row alone give the same logits and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import ENCODERS, LABELS, STREAMABLE, tiny_encoder
from tiny_models import SETTINGS, SPREAD, WINDOW, distance, eager, random_rows
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from luthier.models.classify import choose_logits, last_token_logits, padded_logits, stream_logits
from luthier.models.encoder import LONG, attend, make_stream

PAD = 1
DECODER = {**SETTINGS["llama"], **SPREAD, "pad_token_id": PAD}
many_lengths = st.lists(st.integers(1, 3 * WINDOW), min_size=1, max_size=6)


def alone(model: nn.Module, rows: list[tuple[int, ...]]) -> Tensor:
    """Logits of every row by itself, as plain `transformers` and plain torch compute them."""
    with eager(model):
        states = [model.encoder(input_ids=torch.tensor([row])).last_hidden_state[0] for row in rows]
    means = torch.stack([each.sum(dim=0) / len(each) for each in states])
    return means @ model.classifier.weight.t() + model.classifier.bias


def gradients(model: nn.Module, logits: Tensor) -> Tensor:
    """Gradients of all weights for an arbitrary loss over all logits."""
    loss = (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum()
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return torch.cat([part.flatten() for part in found if part is not None])


@pytest.mark.parametrize("kind", STREAMABLE)
@settings(deadline=None, max_examples=4)
@given(lengths=many_lengths)
def test_stream_padded_and_alone_agree(kind: str, lengths: list[int]) -> None:
    model, rows = tiny_encoder(kind), random_rows(lengths)
    expected = alone(model, rows)
    slopes = gradients(model, expected)
    for logits in (stream_logits(model, rows), padded_logits(model, rows, pad_id=PAD)):
        assert distance(logits, expected) <= 1e-5
        assert distance(gradients(model, logits), slopes) <= 1e-5


@pytest.mark.parametrize("kind", ENCODERS)
def test_whatever_path_is_chosen_on_short_rows_is_right_on_long_ones(kind: str) -> None:
    model = tiny_encoder(kind)
    logits, reason = choose_logits(model, random_rows([3, 5, 2, 4]), pad_id=PAD)
    assert reason.startswith("packed" if logits is stream_logits else "padded")
    assert (logits is stream_logits) == (kind in STREAMABLE), reason
    with torch.no_grad():
        rows = random_rows([3 * WINDOW, 5, 2 * WINDOW, 1])
        assert distance(logits(model, rows), alone(model, rows)) <= 1e-5


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_attention_has_the_gradient_of_what_it_did(share: float) -> None:
    """Against finite differences, in float64."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(4, 5, 3, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(3)]
    hidden = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])[:, None, None]

    def seeded(*parts: Tensor) -> Tensor:
        torch.manual_seed(1)
        return attend(*parts, hidden, share)

    assert torch.autograd.gradcheck(seeded, parts)


def test_dropout_of_weights_leaves_their_mean() -> None:
    parts = torch.randn(3, 2, 4, 3, generator=torch.Generator().manual_seed(0)).unbind()
    whole = attend(*parts, None, 0.0)
    draws = torch.stack([attend(*parts, None, 0.5) for _ in range(500)])
    error = draws.std(dim=0) / 500**0.5
    assert float(error.min()) > 0
    assert bool(((draws.mean(dim=0) - whole).abs() <= 5 * error).all())


def test_rows_too_long_to_keep_their_weights_agree_too() -> None:
    model = tiny_encoder("modernbert", max_position_embeddings=2 * LONG)
    rows = random_rows([LONG + 40, LONG + 3, 7])
    expected = alone(model, rows)
    found = stream_logits(model, rows)
    assert distance(found, expected) <= 1e-5
    assert distance(gradients(model, found), gradients(model, expected)) <= 1e-5


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_a_stream_holds_every_row_once_and_ends_in_a_filler(lengths: list[int]) -> None:
    rows = random_rows(lengths)
    stream = make_stream(rows)
    assert [len(rows[place]) for place in stream.places] == list(stream.lengths) == sorted(lengths)
    assert stream.ids[: sum(lengths)].tolist() == [token for place in stream.places for token in rows[place]]
    assert len(stream.ids) > sum(lengths)
    masks = [
        torch.zeros(each.rows, each.length).bool() if each.blank is None else each.blank for each in stream.buckets
    ]
    blank = torch.cat([mask.flatten() for mask in masks])
    assert stream.tokens[~blank].tolist() == list(range(sum(lengths)))
    assert set(stream.tokens[blank].tolist()) <= {len(stream.ids) - 1}


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_a_decoder_reads_its_last_token_from_packed_rows(kind: str) -> None:
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**DECODER, "num_labels": LABELS})
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32).eval()
    logits, reason = choose_logits(model, random_rows([3, 5]), pad_id=PAD)
    assert logits is last_token_logits, reason
    rows = random_rows([7, 1, 12, 7])
    with eager(model):
        expected = torch.cat([model(input_ids=torch.tensor([row])).logits for row in rows])
    assert distance(logits(model, rows), expected) <= 1e-5
    assert distance(gradients(model, logits(model, rows)), gradients(model, expected)) <= 1e-5
