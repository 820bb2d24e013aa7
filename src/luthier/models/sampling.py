"""Text sampled from a model as it is, many rows at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from luthier.models.adapters import lora_layers
from luthier.models.beside import whole_modules
from luthier.models.engines.choose import Chooser
from luthier.models.engines.decoder import choose_decoders
from luthier.models.engines.engine import Sampling
from luthier.models.engines.layers import Layers
from luthier.models.engines.padded import PaddedDecoder
from luthier.models.engines.slots import SlotDecoder


def sample(model: Any, prompts: Sequence[Sequence[int]], *, length: int, seed: int, pad_id: int) -> list[list[int]]:
    """Continue every prompt at temperature 1 until it is `length` tokens longer; returns prompt and continuation.

    End tokens are kept and do not stop a row: what follows them is the base's writing too.
    """
    model.eval()
    adapter = any(layer.active for _, layer in lora_layers(model))
    decoders, _ = choose_decoders(model, pad_id=pad_id, states=[adapter])
    written = decoders[adapter].write(
        prompts,
        [Chooser(Sampling(length, 1.0, seed=seed * len(prompts) + place)) for place in range(len(prompts))],
        ends=(),
        context=max(map(len, prompts)) + length,
        report=lambda _: None,
    )
    model.train()
    return [[*prompt, *ids] for prompt, ids in zip(prompts, written, strict=True)]


class Drawn(NamedTuple):
    """One answer."""

    ids: list[int]
    """With its end token, if it came to an end."""
    logp: list[float]
    """Of every token when it was drawn; empty where none was drawn but the likeliest taken."""


class Sampler:
    """Lets a model write while it learns, its adapters on.

    How is settled once, because a resumed run must write as it began; what was learnt is read each time.
    """

    def __init__(self, model: Any, *, pad_id: int) -> None:
        decoders, self.reason = choose_decoders(model, pad_id=pad_id, states=[True])
        self._model, self._decoder = model, decoders[True]
        self._is_adapted = any(True for _ in lora_layers(model))
        if any(True for _ in whole_modules(model)):  # slots know adapters, not what is trained whole beside them
            self._decoder = PaddedDecoder(model, adapter=True, pad_id=pad_id)
            self.reason = "padded batches: modules are trained whole beside the adapter"

    def write(
        self, prompts: Sequence[Sequence[int]], samplings: Sequence[Sampling], *, ends: Sequence[int], context: int
    ) -> list[Drawn]:
        """Answer every prompt, in their order."""
        was_training = self._model.training
        self._model.eval()
        if isinstance(self._decoder, SlotDecoder) and self._is_adapted:
            self._decoder.layers.read_adapters()
        elif isinstance(self._decoder, SlotDecoder):
            self._decoder = SlotDecoder(Layers(self._model), adapter=True)
        choosers = list(map(Chooser, samplings))
        written = self._decoder.write(prompts, choosers, ends=ends, context=context, report=lambda _: None)
        self._model.train(was_training)
        return [Drawn(ids, chooser.logp) for ids, chooser in zip(written, choosers, strict=True)]
