"""Answers from slots: as plain `transformers` writes them, whatever the neighbours, the order and the shared prefix."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import SETTINGS, WINDOW, eager, random_rows, tiny_model

from luthier.models.adapters import AdapterShape, Variant, inject, lora_layers, switch
from luthier.models.engines import slots
from luthier.models.engines.choose import Chooser
from luthier.models.engines.decoder import Decoder, choose_decoders
from luthier.models.engines.engine import Sampling
from luthier.models.engines.padded import PaddedDecoder
from luthier.models.engines.slots import SlotDecoder

SLOTTED = ["llama", "qwen3", "mistral", "gemma3_text"]
PROMPTS = random_rows([3, 1, 3 * WINDOW, 7, WINDOW, 2, 5, 9, 4, 4, 30])
ENDS = tuple(range(0, 259, 9))
few = settings(max_examples=12)


def write(decoder: Decoder, prompts: Sequence[Sequence[int]], samplings: Sequence[Sampling]) -> list[list[int]]:
    return decoder.write(prompts, list(map(Chooser, samplings)), ends=ENDS, context=256, report=lambda _: None)


def choosers(most: int, count: int) -> list[Chooser]:
    return [Chooser(Sampling(most)) for _ in range(count)]


def decoder_of(kind: str) -> Decoder:
    return choose_decoders(tiny_model(kind), pad_id=2)[0][False]


def greedy(kind: str, prompt: Sequence[int], *, count: int) -> list[int]:
    """Plain greedy answer, the end token kept."""
    ids = list(prompt)
    with eager(tiny_model(kind)) as model, torch.no_grad():
        while len(ids) < len(prompt) + count:
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
            if ids[-1] in ENDS:
                break
    return ids[len(prompt) :]


def test_slots_are_used_where_they_reproduce_the_model_and_the_reason_is_told() -> None:
    for kind in SETTINGS:
        decoders, reason = choose_decoders(tiny_model(kind), pad_id=2)
        assert isinstance(decoders[False], SlotDecoder if kind in SLOTTED else PaddedDecoder), reason
        assert reason.startswith("slots: equal" if kind in SLOTTED else "padded batches: ")
    assert "differ" in choose_decoders(tiny_model("gemma2"), pad_id=2)[1]
    turning = deepcopy(tiny_model("llama"))
    turning.config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    assert "dynamic" in choose_decoders(turning, pad_id=2)[1]


@pytest.mark.parametrize("shared", [0, WINDOW + 3])
@pytest.mark.parametrize("kind", SLOTTED)
def test_slots_are_refilled(kind: str, shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer slots than prompts, and room for as few as one row of the longest."""
    prompts = [(*random_rows([shared], seed=9)[0], *prompt) for prompt in PROMPTS] if shared else PROMPTS
    limits = [12 - place for place in range(len(prompts))]
    expected = [greedy(kind, prompt, count=limit) for prompt, limit in zip(prompts, limits, strict=True)]
    decoder = decoder_of(kind)
    for name, value in (("ROWS", 3), ("PIECE", 10), ("CACHE_BYTES", 20_000), ("WAIT", 1), ("ROWS", 64)):
        monkeypatch.setattr(slots, name, value)
        assert write(decoder, prompts, [Sampling(limit) for limit in limits]) == expected


samplings = st.builds(
    Sampling,
    max_tokens=st.integers(1, 10),
    temperature=st.sampled_from([0.0, 0.7, 2.0]),
    top_p=st.sampled_from([0.5, 1.0]),
    seed=st.integers(0, 5),
)
asked = st.lists(st.tuples(st.sampled_from(PROMPTS), samplings), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt2"])
@few
@given(asked=asked)
def test_a_row_does_not_depend_on_its_neighbours(kind: str, asked: list[tuple[tuple[int, ...], Sampling]]) -> None:
    decoder = decoder_of(kind)
    together = write(decoder, [prompt for prompt, _ in asked], [sampling for _, sampling in asked])
    for (prompt, sampling), row in zip(asked, together, strict=True):
        assert write(decoder, [prompt], [sampling]) == [row]
        streamed = list(decoder.stream(prompt, sampling, ends=ENDS, context=256))
        assert streamed == (row[:-1] if row[-1] in ENDS else row)
        assert len(row) <= sampling.max_tokens


def test_rows_end_where_the_context_does() -> None:
    for kind in ("llama", "gpt2"):
        heard: list[int] = []
        rows = decoder_of(kind).write(
            random_rows([16, 15, 5, 17]), choosers(50, 4), ends=(), context=16, report=heard.append
        )
        assert [len(row) for row in rows] == [0, 1, 11, 0]
        assert heard[-1] == 2


@pytest.mark.parametrize(("dtype", "variant"), [(torch.float32, "lora"), (torch.bfloat16, "dora")])
def test_adapters_lie_beside_the_weights(dtype: torch.dtype, variant: Variant) -> None:
    """Weights that came from bfloat16 are kept in half the memory."""
    model = deepcopy(tiny_model("llama", attention_bias=True)).to(dtype).float()
    inject(model, AdapterShape(rank=2, alpha=4.0, variant=variant), skip=["lm_head"], seed=0)
    for _, layer in lora_layers(model):
        if layer.linear.bias is not None:
            torch.nn.init.normal_(layer.linear.bias, generator=torch.Generator().manual_seed(2))
        if layer.lora_magnitude_vector is not None:
            layer.lora_magnitude_vector.data *= 1.5
        torch.nn.init.normal_(layer.lora_B, std=0.5, generator=torch.Generator().manual_seed(1))
    written = {}
    decoders, reason = choose_decoders(model, pad_id=2)
    assert reason.startswith("slots"), reason
    for adapter in (True, False):
        switch(model, active=not adapter)  # what somebody does later does not matter
        written[adapter] = write(decoders[adapter], PROMPTS, [Sampling(8)] * len(PROMPTS))
        padded = PaddedDecoder(model, adapter=adapter, pad_id=2)
        assert written[adapter] == write(padded, PROMPTS, [Sampling(8)] * len(PROMPTS))
    assert written[True] != written[False]


@few
@given(
    logits=st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=1200),
    temperature=st.sampled_from([1e-6, 0.5, 1.0, 3.0]),
    top_p=st.sampled_from([1e-9, 0.3, 0.9, 1.0]),
    seed=st.integers(0, 9),
)
def test_only_tokens_of_the_nucleus_are_drawn(logits: list[float], temperature: float, top_p: float, seed: int) -> None:
    values = np.array(logits, dtype=np.float32)
    chances = np.exp((values.astype(np.float64) - values.max()) / temperature)
    chances /= chances.sum()
    token = Chooser(Sampling(1, temperature, top_p, seed)).draw(values)
    assert chances[token] > 0
    likelier = chances[chances > chances[token] * (1 + 1e-4)].sum()
    assert likelier <= top_p + 1e-5


def test_tokens_are_drawn_at_their_probabilities() -> None:
    count = 2000
    values = np.random.default_rng(0).normal(0, 3, 1300).astype(np.float32)
    drawn = [Chooser(Sampling(1, 1.5, 1.0, seed)).draw(values) for seed in range(count)]
    expected = np.exp(values.astype(np.float64) / 1.5)
    expected *= count / expected.sum()
    counts = np.bincount(drawn, minlength=len(values))
    likely = expected >= 5
    rest = (counts[~likely].sum() - expected[~likely].sum()) ** 2 / expected[~likely].sum()
    statistic = ((counts[likely] - expected[likely]) ** 2 / expected[likely]).sum() + rest
    assert statistic < likely.sum() + 4 * (2 * likely.sum()) ** 0.5
