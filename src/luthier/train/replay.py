"""Stay close to the base on general text: self-distillation on what the base itself writes.

A small share of every step's tokens are texts sampled from the base (no download, no general corpus needed); on them
the loss is KL(base || tuned), whose target is the base's whole distribution (Hinton et al. 2015, arXiv:1503.02531).
"""

# T tokens, E embedding, V vocabulary

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from luthier.artifacts.kept import keep, read_kept
from luthier.models.adapters import switch
from luthier.models.chat import Wording
from luthier.models.engines.layers import halves
from luthier.models.footprint import layer_list
from luthier.models.forward import Forward, batches_by_length
from luthier.models.fused import logits_of
from luthier.models.load import head_weight
from luthier.models.machine import return_freed_memory
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
    """Replay rows of one step, or of a piece of it, and what the base makes of them."""

    rows: tuple[tuple[int, ...], ...]
    states: tuple[Tensor, ...]
    """The base's last hidden states of each row: [T, E]."""
    head_VE: Tensor
    """The base's."""
    tokens: int
    """Replay tokens of the whole step: the denominator of its mean."""

    def split(self, pieces: int) -> list["Reminder | None"]:
        """Deal the rows out to the pieces of a step, so that none of them grows much; None where none is left."""
        dealt = [(self.rows[place::pieces], self.states[place::pieces]) for place in range(pieces)]
        return [Reminder(rows, states, self.head_VE, self.tokens) if rows else None for rows, states in dealt]

    def divergence(self, tuned_TE: Tensor, head_VE: Tensor) -> Tensor:
        """What these rows add to the mean KL(base || tuned) in nats per token. No [T, V] is kept for the gradient."""
        total = tuned_TE.new_zeros((), dtype=torch.float32)
        pairs = zip(tuned_TE.split(PIECE), torch.cat(self.states).split(PIECE), strict=True)
        for tuned, base in pairs:
            heads = (head_VE, self.head_VE)
            total = total + checkpoint(_divergence, tuned, base, heads, use_reentrant=False, preserve_rng_state=False)
        return total / self.tokens


def _divergence(tuned_TE: Tensor, base_TE: Tensor, heads: tuple[Tensor, Tensor]) -> Tensor:
    with torch.no_grad():
        base_TV = logits_of(base_TE, heads[1]).log_softmax(dim=-1)
    tuned_TV = logits_of(tuned_TE, heads[0]).log_softmax(dim=-1)
    return F.kl_div(tuned_TV, base_TV, reduction="sum", log_target=True)


@dataclass(frozen=True, slots=True)
class Writer:
    """How the base comes to write: prompts, and groups of them that are sampled at once, each from a seed of its own.

    A group is written when a step first needs it and then kept in `folder`: same seed, same rows, whoever asks when.
    """

    model: Any
    prompts: tuple[tuple[int, ...], ...]
    pad_id: int
    seed: int
    folder: Path
    listener: Listener

    def write(self, group: int) -> list[list[int]]:
        """The rows of one group, sampled at temperature 1."""
        kept = self.folder / f"replay-{group}.json"
        found: list[list[int]] | None = read_kept(kept, listener=self.listener)
        if found is None:
            first = group * TOGETHER
            self.listener(Tick("train: sampling the base", first, len(self.prompts)))
            part = self.prompts[first : first + TOGETHER]
            return_freed_memory()  # steps and sampling take blocks of other sizes: neither finds room in the other's
            found = sample(self.model, part, length=LENGTH, seed=self.seed + first, pad_id=self.pad_id)
            return_freed_memory()
            keep(kept, found)
        return found


class Replay:
    """Rows the base wrote, dealt out step by step in a fixed order."""

    def __init__(self, writer: Writer, *, forward: Forward, share: float) -> None:
        self.writer = writer
        self.forward = forward
        self.share = share
        head_VE = head_weight(writer.model)
        self._head_VE = head_VE.detach().clone() if head_VE.requires_grad else head_VE
        self._rows: dict[int, tuple[int, ...]] = {}
        self._states: dict[int, Tensor] = {}

    def remind(self, *, step: int, tokens: int) -> Reminder | None:
        """The rows of one step (from 1) that learns from `tokens` tokens.

        None at the first: the model still is the base, so there is nothing to be reminded of and no gradient.
        """
        if step == 1:
            return None
        wanted = max(1, round(self.share * tokens / LENGTH))
        chosen = [((step - 1) * wanted + place) % len(self.writer.prompts) for place in range(wanted)]
        for group in sorted({index // TOGETHER for index in chosen if index not in self._rows}):
            self._read(group)
        rows = tuple(self._rows[index] for index in chosen)
        return Reminder(rows, tuple(self._states[index] for index in chosen), self._head_VE, sum(map(len, rows)))

    def read_all(self) -> None:
        """Have every row written now: for a training that changes the base's own weights."""
        for group in range(-(-len(self.writer.prompts) // TOGETHER)):
            self._read(group)

    def sampling_bytes(self) -> int:
        """What writing the rows that are not there yet takes; nothing once all are."""
        done = len(self._rows) == len(self.writer.prompts)
        return 0 if done else sampling_bytes(self.writer.model, self.writer.prompts)

    def _read(self, group: int) -> None:
        """Let the base write a group and read it again. Always the same rows at once: a resumed run reads alike."""
        model = self.writer.model
        switch(model, active=False)
        rows = self.writer.write(group)
        model.eval()  # what is kept close to is the base without dropout
        with torch.no_grad():
            for batch in batches_by_length(rows, tokens=BATCH):
                states = self.forward(model, [rows[index] for index in batch])
                for index, piece in zip(batch, states.split([len(rows[index]) for index in batch]), strict=True):
                    self._rows[group * TOGETHER + index] = tuple(rows[index])
                    self._states[group * TOGETHER + index] = piece.clone()
        model.train()
        switch(model, active=True)


def sampling_bytes(model: Any, prompts: Sequence[Sequence[int]]) -> int:
    """Bytes that writing takes: a copy of the weights, and keys, values and logits or the head while it is packed."""
    head_VE, config = head_weight(model).detach(), model.config
    copied = head_VE.numel() + sum(weight.numel() for layer in layer_list(model) or () for weight in layer.parameters())
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    cells = TOGETHER * (max(map(len, prompts)) + LENGTH)
    cached = 2 * cells * config.num_hidden_layers * config.num_key_value_heads * size
    working = max(cached + TOGETHER * len(head_VE), head_VE.numel())  # float32
    return (2 if halves(head_VE) else 4) * copied + 4 * int(working)


def replay_prompts(wording: Wording) -> tuple[tuple[int, ...], ...]:
    """What the base continues: bare documents, and half as many answers to general questions."""
    start = (wording.start_id if wording.start_id is not None else wording.end_ids[0],)
    chats = [wording.prompt_ids([Message("user", text)]) for text in PROMPTS]
    return (*[start] * DOCUMENTS, *chats * (DOCUMENTS // 2 // len(chats)))
