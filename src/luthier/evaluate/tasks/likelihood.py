"""Held-out text: how many bits a model needs for each of its bytes."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.text import bits_per_byte
from luthier.evaluate.metrics.units import score_words
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.chat import Wording
from luthier.records import Item, Listener, Worded, nobody_listens


class Reads(Protocol):
    """An engine that gives likelihoods."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener) -> list[float]:
        """Total nats of the trained tokens of each row."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Base and tuned read the texts."""
    base, tuned = (
        room.meter.ask(name, partial(ask, items, engine=room.engine, adapter=name == "tuned", listener=room.listener))
        for name in ("base", "tuned")
    )
    return Sitting(base, tuned)


def ask(items: Sequence[Item], *, engine: Reads, adapter: bool, listener: Listener = nobody_listens) -> Arm:
    """Bits per byte of every item's text under the tuned model (`adapter`) or the base."""
    rows = [
        engine.wording.document_row(item.golds[0], row_id=item.id, group=item.document, at=item.at) for item in items
    ]
    return score(rows, engine.nats(rows, adapter=adapter, listener=listener))


def score(rows: Sequence[Worded], nats: Sequence[float]) -> Arm:
    """Bits per byte of every text."""
    bits = [bits_per_byte(value, row.answer_bytes) for row, value in zip(rows, nats, strict=True)]
    return Arm(
        texts=tuple(score_words(value, "bits_per_byte") for value in bits),
        ended=(True,) * len(rows),
        scores={"bits_per_byte": bits, "ended": [1.0] * len(rows)},
    )
