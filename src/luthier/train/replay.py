"""Stay close to the base on general text: self-distillation on what the base itself writes.

A small share of every step's tokens are texts sampled from the base (no download, no general corpus needed); on them
the loss is KL(base || tuned), whose target is the base's whole distribution (Hinton et al. 2015, arXiv:1503.02531).
"""

# T tokens, E embedding, V vocabulary

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
import torch.nn.functional as F
from torch import Tensor

from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.models.adapters import switch
from luthier.models.chat import Wording
from luthier.models.forward import Forward, batches_by_length
from luthier.models.fused import logits_of
from luthier.models.sampling import sample
from luthier.records import Listener, Message, Tick

DOCUMENTS = 96
"""Sampled rows of bare text; half as many are answers to general prompts."""
LENGTH = 64
BATCH = 1024
"""Tokens read at once by the base."""
PIECE = 128
"""Tokens compared at once: the [T, V] distributions of base and tuned are the memory of a reminder."""
TOGETHER = 48
"""Rows sampled at once; their keys and values are the memory of sampling."""
PROMPTS = (
    "Explain how a rainbow forms.",
    "Write a short note to thank a colleague.",
    "What are three ways to save water at home?",
    "Describe a busy market in one paragraph.",
    "Give me a simple recipe for soup.",
    "How do I sort a list in Python?",
    "Summarise the story of Romeo and Juliet.",
    "What is the difference between weather and climate?",
    "Plan a weekend in a small town.",
    "Why do we have seasons?",
    "Write a limerick about a cat.",
    "What makes a good leader?",
    "Explain supply and demand to a child.",
    "List five healthy breakfasts.",
    "How does a bicycle stay upright?",
    "Write an e-mail that moves a meeting to Friday.",
)


@dataclass(frozen=True, slots=True)
class Reminder:
    """The replay rows of one step and what the base makes of them."""

    rows: tuple[tuple[int, ...], ...]
    states_TE: Tensor
    """The base's last hidden states over all rows."""

    def divergence(self, tuned_TE: Tensor, head_VE: Tensor) -> Tensor:
        """Mean KL(base || tuned) in nats per token."""
        count = len(self.states_TE)
        total = tuned_TE.new_zeros((), dtype=torch.float32)
        for start in range(0, count, PIECE):
            part = slice(start, start + PIECE)
            with torch.no_grad():
                base_TV = logits_of(self.states_TE[part], head_VE).log_softmax(dim=-1)
            tuned_TV = logits_of(tuned_TE[part], head_VE).log_softmax(dim=-1)
            total = total + F.kl_div(tuned_TV, base_TV, reduction="sum", log_target=True)
        return total / count


class Replay:
    """Rows the base wrote, dealt out step by step in a fixed order."""

    def __init__(self, model: Any, rows: Sequence[Sequence[int]], *, forward: Forward, share: float) -> None:
        self.rows = [tuple(row) for row in rows]
        self.share = share
        switch(model, active=False)
        model.eval()  # what is kept close to is the base without dropout, on the first run and on a resumed one
        self.states_TE: dict[int, Tensor] = {}
        with torch.no_grad():
            for batch in batches_by_length(self.rows, tokens=BATCH):
                states = forward(model, [self.rows[index] for index in batch])
                pieces = states.split([len(self.rows[index]) for index in batch])
                self.states_TE.update(zip(batch, pieces, strict=True))
        switch(model, active=True)

    def remind(self, *, step: int, tokens: int) -> Reminder:
        """The rows of one step (from 1) that learns from `tokens` tokens."""
        wanted = max(1, round(self.share * tokens / LENGTH))
        chosen = [((step - 1) * wanted + place) % len(self.rows) for place in range(wanted)]
        return Reminder(
            rows=tuple(self.rows[index] for index in chosen),
            states_TE=torch.cat([self.states_TE[index] for index in chosen]),
        )


def replay_rows(model: Any, wording: Wording, *, cache: Path, seed: int, listener: Listener) -> list[list[int]]:
    """Sample the rows once, at temperature 1, and keep them beside the checkpoints; same seed, same rows."""
    if cache.is_file():
        rows: list[list[int]] = orjson.loads(cache.read_bytes())
        return rows
    switch(model, active=False)
    start = [wording.start_id if wording.start_id is not None else wording.end_ids[0]]
    chats = [list(wording.prompt_ids([Message("user", text)])) for text in PROMPTS]
    prompts = [start] * DOCUMENTS + chats * (DOCUMENTS // 2 // len(chats))
    rows = []
    for first in range(0, len(prompts), TOGETHER):
        listener(Tick("train: sampling the base", first, len(prompts)))
        part = prompts[first : first + TOGETHER]
        rows += sample(model, part, length=LENGTH, seed=seed + first, pad_id=wording.pad_id)
    switch(model, active=True)
    with explain_disk(cache):
        write_atomic(cache, orjson.dumps(rows))
    return rows
