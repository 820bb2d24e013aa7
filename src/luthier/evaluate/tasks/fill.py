"""Held-out text with some words hidden: how many bits a model needs for each hidden token, given all around it.

The same words are hidden from both arms, each by mask tokens, so that nothing of them is seen.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.worded import table_of_batch, worded_batches
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.units import score_words
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.chat import Wording
from luthier.models.masks import make_masker
from luthier.records import Item, Listener, Worded

SHARE = 0.15
"""Of the tokens of a text that are hidden at once: more would hide too much of what they are to be told from."""
GUESSES = (
    "The base has no head that fills in words. It stands here for one that knows how often each token occurs in TRAIN, "
    "and nothing else: any encoder that learnt to read should beat it."
)


class FillsIn(Protocol):
    """An engine that fills in hidden words."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def fill_nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener) -> list[float]:
        """Total nats of the hidden tokens of each row."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Base and tuned fill in the same words."""
    engine, wording = room.engine, room.engine.wording
    rows = hide(items, wording, seed=room.config.seed)
    filling = partial(engine.fill_nats, rows, listener=room.listener)
    tuned = score(rows, room.meter.ask("tuned", partial(filling, adapter=True)))
    rules = {"hidden_tokens": sum(sum(row.trained) for row in rows), "hidden_share": SHARE}
    if engine.new_parts:
        size = wording.tokenizer.get_vocab_size()
        base = score(rows, room.meter.ask("base", partial(frequency_nats, rows, room.dataset, size=size)))
        return Sitting(base, tuned, rules={**rules, "caveats": [GUESSES]})
    base = score(rows, room.meter.ask("base", partial(filling, adapter=False)))
    return Sitting(base, tuned, rules=rules)


def hide(items: Sequence[Item], wording: Wording, *, seed: int) -> list[Worded]:
    """The items' texts with words hidden."""
    texts = [wording.fill_row(item.golds[0], row_id=item.id, group=item.document, at=item.at) for item in items]
    return make_hidden(texts, wording, seed=seed)


def make_hidden(rows: Sequence[Worded], wording: Wording, *, seed: int) -> list[Worded]:
    """Rows with words hidden; equal arguments hide the same ones."""
    masker = make_masker(wording, share=SHARE, seed=seed, hidden=1.0, swapped=0.0)
    return [masker(row, 0) for row in rows]


def frequency_nats(rows: Sequence[Worded], dataset: DatasetDir, *, size: int) -> list[float]:
    """Nats of the hidden tokens of each row by how often tokens occur in TRAIN, one added to each count (Laplace)."""
    counts_V = np.ones(size)
    for batch in worded_batches(dataset.file("train.parquet")):
        table = table_of_batch(batch)
        counts_V += np.bincount(table.ids.values[table.trained.values], minlength=size)
    nats_V = -np.log(counts_V / counts_V.sum())
    return [float(nats_V[list(row.labels)].sum()) for row in rows]


def score(rows: Sequence[Worded], nats: Sequence[float]) -> Arm:
    """Bits per hidden token: nats / (ln 2 x hidden tokens)."""
    bits = [value / (math.log(2) * len(row.labels)) for row, value in zip(rows, nats, strict=True)]
    return Arm(
        texts=tuple(score_words(value, "bits_per_token") for value in bits),
        ended=(True,) * len(rows),
        scores={"bits_per_token": bits, "ended": [1.0] * len(rows)},
    )
