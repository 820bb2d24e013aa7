"""Small models of several architectures with random weights, in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

VOCABULARY = 259
"""That of the tiny tokenizer."""
WINDOW = 8
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCABULARY}
GROUPED = {**SIZE, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 256}
SPREAD = {"initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
"""Wide weights, so that no two logits are nearly equal."""
SETTINGS: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "qwen3": {**GROUPED, "head_dim": 8},
    "gpt2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 256,
        "vocab_size": VOCABULARY,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    "gemma3_text": {
        **GROUPED,
        "head_dim": 8,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "mistral": {**GROUPED, "sliding_window": WINDOW},
    "gemma2": {
        **GROUPED,
        "head_dim": 8,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"],
        "attn_logit_softcapping": 1.0,
        "final_logit_softcapping": None,
    },
    "opt": {**SIZE, "ffn_dim": 48, "max_position_embeddings": 256, "word_embed_proj_dim": 32, "dropout": 0.0},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": VOCABULARY, "state_size": 4},
    "llama4_text": {
        **GROUPED,
        "head_dim": 8,
        "intermediate_size_mlp": 48,
        "num_local_experts": 2,
        "attention_chunk_size": WINDOW,
        "layer_types": ["chunked_attention", "full_attention"],
    },
}


@cache
def tiny_model(kind: str, **settings: Any) -> PreTrainedModel:
    """A decoder that never changes; `settings` go on top of those of its kind."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**SPREAD, **SETTINGS[kind], **settings})
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The model with the attention that is written out in plain products."""
    usual = model.config._attn_implementation
    model.config._attn_implementation = "eager"
    try:
        yield model
    finally:
        model.config._attn_implementation = usual


def random_rows(lengths: Sequence[int], *, seed: int = 0) -> list[tuple[int, ...]]:
    """Rows of ordinary tokens."""
    generator = torch.Generator().manual_seed(seed)
    return [tuple(torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()) for length in lengths]


def distance(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest expected value."""
    assert found.shape == expected.shape
    found, expected = found.detach().double(), expected.detach().double()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
