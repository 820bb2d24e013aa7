"""The quickest way of writing that reproduces a model."""

# L tokens, V vocabulary

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch

from luthier.models.adapters import lora_layers, switch
from luthier.models.engines.choose import Chooser
from luthier.models.engines.engine import Sampling
from luthier.models.engines.layers import Layers
from luthier.models.engines.padded import PaddedDecoder
from luthier.models.engines.slots import SlotDecoder, Slots
from luthier.models.forward import TOLERANCE, TokenRows, pad_rows

SAMPLE = (40, 3, 17)
"""Tokens of the rows on which the two ways are compared."""
COMMON = 2
"""Tokens with which all of them begin."""


class Decoder(Protocol):
    """Writes with one model and one state of its adapters."""

    def write(
        self,
        prompts: TokenRows,
        choosers: Sequence[Chooser],
        *,
        ends: Sequence[int],
        context: int,
        report: Callable[[int], None],
    ) -> list[list[int]]:
        """Continue the prompts, each by its own chooser, end tokens kept; `report` hears how many are done."""

    def stream(self, prompt: Sequence[int], sampling: Sampling, *, ends: Sequence[int], context: int) -> Iterator[int]:
        """Tokens of one answer as they are chosen, the end token left out."""


def choose_decoders(
    model: Any, *, pad_id: int, states: Sequence[bool] = (False, True)
) -> tuple[dict[bool, Decoder], str]:
    """What writes with adapters on and off: slots if they give this model's logits on a sample, else padded batches.

    Also returns the reason. All share one copy of the weights as they are now.
    """
    padded: dict[bool, Decoder] = {on: PaddedDecoder(model, adapter=on, pad_id=pad_id) for on in states}
    kept = model.training, any(layer.active for _, layer in lora_layers(model))
    model.eval()
    try:
        layers = Layers(model)
        worst = max(_difference(model, layers, adapter=on) for on in states)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded, f"padded batches: another build than Llama's ({type(error).__name__}: {error})"
    finally:
        model.train(kept[0])
        switch(model, active=kept[1])
    if not worst <= TOLERANCE[model.dtype]:  # also if it is not a number
        return padded, f"padded batches: slots would differ by {worst:.1e}"
    return {on: SlotDecoder(layers, adapter=on) for on in states}, f"slots: equal to the model within {worst:.1e}"


@torch.no_grad()
def _difference(model: Any, layers: Layers, *, adapter: bool) -> float:
    """Norm of the difference of all logits on rows that share a prefix, read and written, relative to the logits'.

    Of all together, because slots compute in float32: at a single token a bfloat16 model is off by up to a quarter.
    """
    switch(model, active=adapter)
    size = int(model.config.vocab_size)
    common = [(3 * place + 1) % size for place in range(COMMON)]
    rows = [[*common, *((7 * place * place + 5 * length) % size for place in range(length))] for length in SAMPLE]
    ids, mask = pad_rows(rows, pad_id=0)
    logits = model(input_ids=ids, attention_mask=mask).logits.float()
    expected = [each[: len(row)] for each, row in zip(logits, rows, strict=True)]
    slots = Slots(layers, adapter=adapter, count=len(rows), cells=max(SAMPLE), prefix=common)
    found = [slots.admit([row[COMMON:-2] for row in rows]), slots.step([row[-2] for row in rows])]
    slots.drop(0)
    found.append(slots.step([rows[2][-1], rows[1][-1]]))
    pairs = [(found[back][row], expected[row][back - 3]) for back in (0, 1) for row in range(3)]
    pairs += [(found[2][0], expected[2][-1]), (found[2][1], expected[1][-1])]
    ours, theirs = (torch.stack(side) for side in zip(*pairs, strict=True))
    return float((ours - theirs).norm() / theirs.norm())
