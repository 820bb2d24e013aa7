"""Text sampled from a model as it is, many rows at once."""

# B rows, L tokens, V vocabulary

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from luthier.models.forward import pad_left


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
            logits = model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
            ).logits[:, -1]
        ids = torch.multinomial(logits.float().softmax(dim=-1), 1, generator=generator)
        for row, token in zip(written, ids[:, 0].tolist(), strict=True):
            row.append(token)
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
        positions = positions[:, -1:] + 1
    model.train()
    return written
