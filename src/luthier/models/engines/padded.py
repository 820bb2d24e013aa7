"""Answers by the modules of `transformers`, in batches padded on the left: any causal architecture can do this."""

# B rows, L tokens, V vocabulary

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from luthier.models.adapters import switch
from luthier.models.engines.choose import Chooser, choose
from luthier.models.engines.engine import Sampling
from luthier.models.engines.slots import shared_prefix
from luthier.models.forward import TokenRows, pad_left

BATCH = 64


class PaddedDecoder:
    """Writes with a model as it is, its adapters on or off."""

    def __init__(self, model: Any, *, adapter: bool, pad_id: int) -> None:
        self._model = model
        self._adapter = adapter
        self._pad_id = pad_id

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
        written: list[list[int]] = [[] for _ in prompts]
        rooms = [
            min(chooser.sampling.max_tokens, context - len(prompt))
            for prompt, chooser in zip(prompts, choosers, strict=True)
        ]
        order = sorted(
            (index for index, room in enumerate(rooms) if room > 0), key=lambda row: (len(prompts[row]), row)
        )
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            own = [choosers[row] for row in chosen]
            found = self._batch([prompts[row] for row in chosen], own, [rooms[row] for row in chosen], ends)
            for row, ids in zip(chosen, found, strict=True):
                written[row] = ids
            report(start + len(chosen))
        return written

    def stream(self, prompt: Sequence[int], sampling: Sampling, *, ends: Sequence[int], context: int) -> Iterator[int]:
        """Tokens of one answer as they are chosen, the end token left out."""
        chooser = Chooser(sampling)
        cache = DynamicCache(config=self._model.config)
        ids = torch.tensor([list(prompt)])
        for _ in range(min(sampling.max_tokens, context - len(prompt))):
            [token] = choose(self._logits(ids, mask=None, positions=None, cache=cache), [chooser])
            if token in ends:
                return
            yield token
            ids = torch.tensor([[token]])

    @torch.no_grad()
    def _logits(self, ids: Tensor, *, mask: Tensor | None, positions: Tensor | None, cache: DynamicCache) -> Tensor:
        """Logits [B, V] after the last column of `ids` [B, L]."""
        switch(self._model, active=self._adapter)  # another answer may have run in between
        output = self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def _batch(
        self, prompts: TokenRows, choosers: Sequence[Chooser], rooms: Sequence[int], ends: Sequence[int]
    ) -> list[list[int]]:
        """What all prompts begin with is computed once, and a row that ends leaves the batch."""
        written: list[list[int]] = [[] for _ in prompts]
        # A sliding window counts the padding that would stand between a shared prefix and a row.
        shared = 0 if any(DynamicCache(config=self._model.config).is_sliding) else shared_prefix(prompts)
        cache = self._prefix_cache(prompts[0][:shared], len(prompts))
        ids, mask = pad_left([prompt[shared:] for prompt in prompts], pad_id=self._pad_id)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0) + shared
        mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
        live = list(range(len(prompts)))
        while True:
            logits = self._logits(ids, mask=mask, positions=positions, cache=cache)
            chosen = choose(logits, [choosers[row] for row in live])
            for row, token in zip(live, chosen, strict=True):
                written[row].append(token)
            stay = [
                place for place, row in enumerate(live) if chosen[place] not in ends and len(written[row]) < rooms[row]
            ]
            if not stay:
                return written
            if len(stay) < len(live):
                cache.batch_select_indices(torch.tensor(stay))
                live, mask, positions = [live[place] for place in stay], mask[stay], positions[stay]
            ids = torch.tensor([[chosen[place]] for place in stay])
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions[:, -1:] + 1

    def _prefix_cache(self, prefix: Sequence[int], rows: int) -> DynamicCache:
        cache = DynamicCache(config=self._model.config)
        if prefix:
            self._logits(torch.tensor([list(prefix)]), mask=None, positions=None, cache=cache)
            cache.batch_repeat_interleave(rows)
        return cache
