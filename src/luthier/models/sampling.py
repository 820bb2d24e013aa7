"""Text sampled from a model as it is, many rows at once."""

from collections.abc import Sequence
from typing import Any

from luthier.models.adapters import lora_layers
from luthier.models.engines.decoder import choose_decoders
from luthier.models.engines.engine import Sampling


def sample(model: Any, prompts: Sequence[Sequence[int]], *, length: int, seed: int, pad_id: int) -> list[list[int]]:
    """Continue every prompt at temperature 1 until it is `length` tokens longer; returns prompt and continuation.

    End tokens are kept and do not stop a row: what follows them is the base's writing too.
    """
    model.eval()
    adapter = any(layer.active for _, layer in lora_layers(model))
    decoders, _ = choose_decoders(model, pad_id=pad_id, states=[adapter])
    written = decoders[adapter].write(
        prompts,
        [Sampling(length, temperature=1.0, seed=seed * len(prompts) + place) for place in range(len(prompts))],
        ends=(),
        context=max(map(len, prompts)) + length,
        report=lambda _: None,
    )
    model.train()
    return [[*prompt, *ids] for prompt, ids in zip(prompts, written, strict=True)]
