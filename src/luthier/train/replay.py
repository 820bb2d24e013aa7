"""Stay close to the base on general text: self-distillation on what the base itself writes.

A small share of every step's tokens are texts sampled from the base (no download, no general corpus needed); on them
the loss is KL(base || tuned), whose target is the base's whole distribution (Hinton et al. 2015, arXiv:1503.02531).
"""

# T tokens, V vocabulary

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import torch

from luthier.artifacts.storage import write_atomic
from luthier.models.adapters import switch
from luthier.models.chat import Wording
from luthier.models.forward import Forward
from luthier.models.load import head_weight
from luthier.models.sampling import sample
from luthier.records import Listener, Message

DOCUMENTS = 96
"""Sampled rows of bare text; half as many are answers to general prompts."""
LENGTH = 64
PIECE = 128
"""Replay tokens computed at once: the [T, V] distributions of base and tuned are the memory of a replay step."""
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


class Replay:
    """Rows the base wrote, dealt out step by step in a fixed order."""

    def __init__(self, rows: Sequence[Sequence[int]], *, forward: Forward, share: float) -> None:
        self.rows = rows
        self.forward = forward
        self.share = share

    def learn(self, model: Any, *, step: int, tokens: int) -> float:
        """Add the gradient of the mean KL over this step's replay tokens; returns that mean in nats per token."""
        chosen = self._chosen(step, tokens)
        count = sum(len(row) for row in chosen)
        total = 0.0
        piece: list[Sequence[int]] = []
        for row in [*chosen, None]:
            if piece and (row is None or sum(map(len, piece)) + len(row) > PIECE):
                total += self._learn_piece(model, piece, count)
                piece = []
            if row is not None:
                piece.append(row)
        return total / count

    def _chosen(self, step: int, tokens: int) -> list[Sequence[int]]:
        wanted = max(1, round(self.share * tokens / LENGTH))
        first = (step - 1) * wanted
        return [self.rows[(first + place) % len(self.rows)] for place in range(wanted)]

    def _learn_piece(self, model: Any, rows: Sequence[Sequence[int]], count: int) -> float:
        head = head_weight(model)
        with torch.no_grad():
            switch(model, active=False)
            base = (self.forward(model, rows) @ head.t()).float().log_softmax(dim=-1)
            switch(model, active=True)
        tuned = (self.forward(model, rows) @ head.t()).float().log_softmax(dim=-1)
        divergence = (base.exp() * (base - tuned)).sum()
        (divergence / count).backward()
        return float(divergence.detach())


def replay_rows(model: Any, wording: Wording, *, cache: Path, seed: int, listener: Listener) -> list[list[int]]:
    """Sample the rows once, at temperature 1, and keep them beside the checkpoints; same seed, same rows."""
    if cache.is_file():
        rows: list[list[int]] = orjson.loads(cache.read_bytes())
        return rows
    switch(model, active=False)
    start = [wording.start_id if wording.start_id is not None else wording.end_ids[0]]
    chats = [list(wording.prompt_ids([Message("user", text)])) for text in PROMPTS]
    prompts = [start] * DOCUMENTS + chats * (DOCUMENTS // 2 // len(chats))
    rows = sample(model, prompts, length=LENGTH, seed=seed, pad_id=wording.pad_id, listener=listener)
    switch(model, active=True)
    write_atomic(cache, orjson.dumps(rows))
    return rows
