"""Text sampled from a model as it is, many rows at once."""

# B rows, L tokens, V vocabulary

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from luthier.models.forward import pad_left
from luthier.models.fused import logits_of
from luthier.models.load import backbone, head_weight


def sample(model: Any, prompts: Sequence[Sequence[int]], *, length: int, seed: int, pad_id: int) -> list[list[int]]:
    """Continue every prompt at temperature 1 until it is `length` tokens longer; returns prompt and continuation.

    End tokens are kept and do not stop a row: what follows them is the base's writing too.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    ids, mask = pad_left(prompts, pad_id=pad_id)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    written = [list(prompt) for prompt in prompts]
    for _ in range(length):
        with torch.no_grad():
            states = backbone(model)(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache
            ).last_hidden_state[:, -1]
            chances = logits_of(states, head_weight(model)).softmax(dim=-1)
        ids = torch.multinomial(chances, 1, generator=generator)
        for row, token in zip(written, ids[:, 0].tolist(), strict=True):
            row.append(token)
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
        positions = positions[:, -1:] + 1
    model.train()
    return written
