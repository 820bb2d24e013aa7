"""How base and tuned read the same rows, token by token: what each would have written, and how far they are apart."""

# N labelled tokens, E embedding, V vocabulary

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from luthier.models.engines.hf import BATCH_TOKENS, Engine, labelled_positions
from luthier.models.forward import batches_by_length, padded_states
from luthier.models.fused import CHUNK, logits_of
from luthier.models.load import head_weight
from luthier.records import Listener, Tick, Worded, nobody_listens

Found = TypeVar("Found")
PREFIX, RECITED = 50, 50
"""Tokens of an answer that are given, and that must follow exactly."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Sums over the trained tokens of one row."""

    tokens: int
    forward: float
    """KL(base || tuned) in nats."""
    backward: float
    """KL(tuned || base) in nats."""
    alike: int
    """Tokens at which both would write the same."""


@torch.no_grad()
def apart(engine: Engine, rows: Sequence[Worded], *, listener: Listener = nobody_listens) -> list[Apart]:
    """How far the tuned model's predictions are from the base's, row by row."""

    def measure(batch: Sequence[Worded]) -> list[Apart]:
        read = [_read(engine, batch, adapter=adapter) for adapter in (False, True)]
        (base, base_head, owners), (tuned, tuned_head, _) = read
        sums = torch.zeros(4, len(batch), dtype=torch.float64)
        for start in range(0, len(base), CHUNK):
            part = slice(start, start + CHUNK)
            pair = (base[part], base_head), (tuned[part], tuned_head)
            logs = (logits_of(states, head).log_softmax(dim=-1) for states, head in pair)
            sums.index_add_(1, owners[part], _terms(*logs))
        return [Apart(int(row[0]), row[1], row[2], int(row[3])) for row in sums.T.tolist()]

    return _by_batch(rows, measure, listener)


@torch.no_grad()
def recited(
    engine: Engine, rows: Sequence[Worded], *, adapter: bool, listener: Listener = nobody_listens
) -> list[bool | None]:
    """Whether the 50 tokens behind the first 50 of each row's answer are what the model would write; None if the answer
    is shorter. They are what greedy decoding writes exactly if each is the likeliest behind the true ones before it.
    """
    cut = [_beginning(row) for row in rows]
    found: list[bool | None] = [None] * len(rows)
    places = [place for place, row in enumerate(cut) if row is not None]

    def measure(batch: Sequence[Worded]) -> list[bool]:
        states, head, _ = _read(engine, batch, adapter=adapter)
        _, targets, _ = labelled_positions(batch)
        right = [logits_of(part, head).argmax(dim=-1) for part in states.split(CHUNK)]
        hits = torch.cat(right) == targets
        return [bool(each.all()) for each in hits.view(len(batch), RECITED)]

    hits = _by_batch([row for row in cut if row is not None], measure, listener)
    for place, hit in zip(places, hits, strict=True):
        found[place] = hit
    return found


def _beginning(row: Worded) -> Worded | None:
    """The row up to the end of what must be recited, which alone is trained; None if no stretch is that long."""
    length = 0
    for place, learnt in enumerate(row.trained):
        length = length + 1 if learnt else 0
        if length == PREFIX + RECITED:
            end = place + 1
            trained = (*(False for _ in range(end - RECITED)), *(True for _ in range(RECITED)))
            return Worded(row.id, row.group, row.at, row.ids[:end], trained)
    return None


def _read(engine: Engine, rows: Sequence[Worded], *, adapter: bool) -> tuple[Tensor, Tensor, Tensor]:
    """States [N, E] that predict trained tokens, the head [V, E], and the rows that own them [N]."""
    model: Any = engine.arm(adapter)
    positions, _, owners = labelled_positions(rows)
    return padded_states(model, [row.ids for row in rows])[positions], head_weight(model), owners


def _terms(base_NV: Tensor, tuned_NV: Tensor) -> Tensor:
    """[4, N]: 1, KL both ways, and whether the likeliest token is the same."""
    apart_NV = base_NV - tuned_NV
    forward, backward = (base_NV.exp() * apart_NV).sum(dim=-1), -(tuned_NV.exp() * apart_NV).sum(dim=-1)
    alike = base_NV.argmax(dim=-1) == tuned_NV.argmax(dim=-1)
    return torch.stack([torch.ones_like(forward), forward, backward, alike.float()]).double()


def _by_batch(
    rows: Sequence[Worded], measure: Callable[[Sequence[Worded]], list[Found]], listener: Listener
) -> list[Found]:
    """What `measure` finds of each row, from batches of rows of like length, in the rows' order."""
    found: dict[int, Found] = {}
    for batch in batches_by_length([row.ids for row in rows], tokens=BATCH_TOKENS):
        found |= dict(zip(batch, measure([rows[index] for index in batch]), strict=True))
        listener(Tick("likelihood", len(found), len(rows)))
    return [found[index] for index in range(len(rows))]
