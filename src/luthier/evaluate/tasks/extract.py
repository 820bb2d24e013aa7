"""Answers that stand in a text: the tuned extractor against a linear probe on the frozen base's tokens."""

# T tokens, H hidden width

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.text import token_f1
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.span_probe import Pointed, SpanProbe, fit_span_probe
from luthier.graders.matches import exact_match
from luthier.models.chat import Wording
from luthier.models.extract import best_answer
from luthier.models.texts import PairWindow
from luthier.records import Item, Listener, Worded, nobody_listens

MOST_TOKENS = 60_000
"""Training tokens that the probe learns from: more take minutes and change little."""


class Points(Protocol):
    """An engine that points at answers, and whose frozen base can be read."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def point(self, rows: Sequence[Sequence[int]], seconds: Sequence[int], *, listener: Listener) -> Sequence[Any]:
        """Logits [tokens, 2] of where the answer starts and ends in every row, by the tuned model."""

    def token_states(
        self,
        rows: Sequence[Sequence[int]],
        chosen: Sequence[Sequence[bool]],
        *,
        seconds: Sequence[int],
        listener: Listener,
    ) -> Any:
        """Last hidden states of the frozen base at the chosen tokens, row by row: [chosen, H]."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """The tuned extractor, and the probe in place of a base that has no head."""
    engine, listener = room.engine, room.listener
    asking = partial(ask_probe, items, engine=engine, dataset=room.dataset, listener=listener)
    base, probe = room.meter.ask("base", asking)
    tuned = room.meter.ask("tuned", partial(ask_tuned, items, engine=engine, listener=listener))
    return Sitting(base, tuned, rules={"probe": {"strength": probe.strength, "converged": probe.converged}})


def ask_tuned(items: Sequence[Item], *, engine: Points, listener: Listener = nobody_listens) -> Arm:
    """The stretches of text that the tuned model points at."""
    windows = _windows(items, engine)
    pairs = [window.pair for each in windows for window in each]
    logits = engine.point([pair.ids for pair in pairs], [pair.ends[0] for pair in pairs], listener=listener)
    return score(items, windows, logits)


def ask_probe(
    items: Sequence[Item], *, engine: Points, dataset: DatasetDir, listener: Listener = nobody_listens
) -> tuple[Arm, SpanProbe]:
    """Answers by the states of the base's tokens, through a layer fitted on TRAIN, its strength chosen on VAL."""
    train, validation = (_few(read_worded(dataset.file(name))) for name in ("train.parquet", "validation.parquet"))
    probe = fit_span_probe(*(_pointed(part, engine, listener) for part in (train, validation)))
    windows = _windows(items, engine)
    pairs = [window.pair for each in windows for window in each]
    states = engine.token_states(
        [pair.ids for pair in pairs],
        [(True,) * len(pair.ids) for pair in pairs],
        seconds=[pair.ends[0] for pair in pairs],
        listener=listener,
    )
    logits = np.split(probe.logits(states), np.cumsum([len(pair.ids) for pair in pairs])[:-1])
    return score(items, windows, logits), probe


def score(items: Sequence[Item], windows: Sequence[Sequence[PairWindow]], logits: Sequence[Any]) -> Arm:
    """Exact match and token F1 of the best answer by the logits of every window of every item."""
    texts, left = [], iter(logits)
    for item, own in zip(items, windows, strict=True):
        found = best_answer([np.asarray(next(left)) for _ in own], own)
        texts.append("" if found is None else item.messages[1].content[found.start : found.end])
    shares = {
        "token_f1": [token_f1(text, item.golds) for item, text in zip(items, texts, strict=True)],
        "exact_match": [exact_match(text, item.golds) for item, text in zip(items, texts, strict=True)],
    }
    return Arm(texts=tuple(texts), ended=(True,) * len(items), scores={**shares, "ended": [1.0] * len(items)})


def _pointed(rows: Sequence[Worded], engine: Points, listener: Listener) -> Pointed:
    whole = [(True,) * len(row.ids) for row in rows]
    seconds = [row.ends[0] for row in rows]
    states = engine.token_states([row.ids for row in rows], whole, seconds=seconds, listener=listener)
    return Pointed(states, np.array([len(row.ids) for row in rows]), np.array([row.labels for row in rows]))


def _few(rows: Sequence[Worded]) -> list[Worded]:
    """Rows in the order of their ids, which is no order of the customer's, as long as they hold few enough tokens."""
    ordered = sorted(rows, key=lambda row: row.id)
    sizes = np.cumsum([len(row.ids) for row in ordered])
    return ordered[: max(1, int(np.searchsorted(sizes, MOST_TOKENS, side="right")))]


def _windows(items: Sequence[Item], engine: Points) -> list[list[PairWindow]]:
    return [engine.wording.pair_windows(item.messages[0].content, item.messages[1].content) for item in items]
