"""The quickest way of writing that reproduces a model."""

# L tokens, V vocabulary

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from luthier.models.adapters import switch
from luthier.models.engines.engine import Sampling
from luthier.models.engines.padded import PaddedDecoder
from luthier.models.engines.slots import SlotDecoder, Slots
from luthier.models.forward import TOLERANCE, TokenRows

SAMPLE = (40, 3, 17)
"""Tokens of the rows on which the two ways are compared."""
COMMON = 2
"""Tokens with which all of them begin."""


class Decoder(Protocol):
    """Writes with one model and one state of its adapters."""

    def write(
        self,
        prompts: TokenRows,
        samplings: Sequence[Sampling],
        *,
        ends: Sequence[int],
        context: int,
        report: Callable[[int], None],
    ) -> list[list[int]]:
        """Continue the prompts, end tokens kept; `report` hears how many are done."""

    def stream(self, prompt: Sequence[int], sampling: Sampling, *, ends: Sequence[int], context: int) -> Iterator[int]:
        """Tokens of one answer as they are chosen, the end token left out."""


def choose_decoder(model: Any, *, adapter: bool, pad_id: int) -> tuple[Decoder, str]:
    """Slots if they give this model's logits on a small sample, else padded batches; and the reason."""
    padded = PaddedDecoder(model, adapter=adapter, pad_id=pad_id)
    was_training = model.training
    model.eval()
    try:
        decoder = SlotDecoder(model, adapter=adapter)
        worst = _difference(model, decoder, adapter=adapter)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded, f"padded batches: another build than Llama's ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    if not worst <= TOLERANCE[decoder.layers.dtype]:  # also if it is not a number
        return padded, f"padded batches: slots would differ by {worst:.1e}"
    return decoder, f"slots: equal to the model within {worst:.1e}"


@torch.no_grad()
def _difference(model: Any, decoder: SlotDecoder, *, adapter: bool) -> float:
    """Largest difference of logits on rows that share a prefix, read and written, relative to the largest logit."""
    switch(model, active=adapter)
    size = int(model.config.vocab_size)
    common = [(3 * place + 1) % size for place in range(COMMON)]
    rows = [[*common, *((7 * place * place + 5 * length) % size for place in range(length))] for length in SAMPLE]
    expected: list[Tensor] = [model(input_ids=torch.tensor([row])).logits[0].float() for row in rows]
    slots = Slots(decoder.layers, count=len(rows), cells=max(SAMPLE), prefix=common)
    found = [slots.admit([row[COMMON:-2] for row in rows]), slots.step([row[-2] for row in rows])]
    slots.drop(0)
    found.append(slots.step([rows[2][-1], rows[1][-1]]))
    worst = torch.stack(
        [(found[back][row] - expected[row][back - 3]).abs().max() for back in (0, 1) for row in range(3)]
        + [(found[2][place] - expected[row][-1]).abs().max() for place, row in enumerate((2, 1))]
    ).max()
    return float(worst / torch.cat(expected).abs().max())
