"""Labels of a text, or of two: the tuned classifier against a linear probe on the frozen base."""

# N rows, C labels, H hidden width

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.text import spell_labels
from luthier.evaluate.probe import Probe, fit_probe
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.chat import Wording
from luthier.models.classify import seconds_of, worded_texts
from luthier.records import Item, Listener, Worded, nobody_listens

THRESHOLD = 0.5
"""Probability from which a label is given, where a text can have several."""


class Classifies(Protocol):
    """An engine that labels, and whose frozen base can be read."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    @property
    def several(self) -> bool:
        """Whether a text can have several labels, or none."""

    def classify(self, rows: Sequence[Sequence[int]], *, seconds: Sequence[int], listener: Listener) -> Any:
        """Probabilities [rows, labels] of the tuned model."""

    def states(self, rows: Sequence[Sequence[int]], *, seconds: Sequence[int], listener: Listener) -> Any:
        """Mean-pooled last hidden states [rows, width] of the frozen base."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """The tuned classifier, and the probe in place of a base that has no head."""
    labels, engine, listener = room.labels, room.engine, room.listener
    asking = partial(ask_probe, items, engine=engine, dataset=room.dataset, labels=labels, listener=listener)
    base, probe = room.meter.ask("base", asking)
    tuned = room.meter.ask("tuned", partial(ask_tuned, items, engine=engine, labels=labels, listener=listener))
    return Sitting(base, tuned, rules={"probe": {"strength": probe.strength, "converged": probe.converged}})


def ask_tuned(
    items: Sequence[Item], *, engine: Classifies, labels: Sequence[str], listener: Listener = nobody_listens
) -> Arm:
    """The tuned model's most probable label of every item, or all that are more likely than not."""
    rows, seconds = _texts(items, engine)
    found_NC = np.asarray(engine.classify(rows, seconds=seconds, listener=listener))
    if engine.several:
        return score_several(items, found_NC >= THRESHOLD, labels=labels)
    return score(items, np.argmax(found_NC, axis=1), labels=labels)


def ask_probe(
    items: Sequence[Item],
    *,
    engine: Classifies,
    dataset: DatasetDir,
    labels: Sequence[str],
    listener: Listener = nobody_listens,
) -> tuple[Arm, Probe]:
    """Labels from logistic regression on the base's mean-pooled states, fitted on TRAIN, strength chosen on VAL; one
    for each label where a text can have several.
    """
    parts = [read_worded(dataset.file(name)) for name in ("train.parquet", "validation.parquet")]
    rows = [row for part in parts for row in part]
    size = len(parts[0])
    states_NH = _states([row.ids for row in rows], seconds_of(rows), engine, listener)
    asked_NH = _states(*_texts(items, engine), engine, listener)

    def fit(gold_N: NDArray[np.int64], kinds: int) -> Probe:
        return fit_probe(states_NH[:size], gold_N[:size], validation=(states_NH[size:], gold_N[size:]), labels=kinds)

    if not engine.several:
        probe = fit(np.array([row.labels[0] for row in rows], dtype=np.int64), len(labels))
        return score(items, probe.predict(asked_NH), labels=labels), probe
    gold_NC = _matrix(rows, len(labels))
    probes = [fit(gold_N.astype(np.int64), 2) for gold_N in gold_NC.T]
    named_NC = np.stack([probe.predict(asked_NH) for probe in probes], axis=1).astype(np.bool_)
    return score_several(items, named_NC, labels=labels), min(probes, key=lambda probe: probe.converged)


def score(items: Sequence[Item], predicted: NDArray[np.int64], *, labels: Sequence[str]) -> Arm:
    """Accuracy and predicted labels."""
    names = [labels[int(place)] for place in predicted]
    right = [float(name in item.golds) for name, item in zip(names, items, strict=True)]
    ended = (True,) * len(names)
    shares = {"accuracy": right, "ended": [1.0] * len(names)}
    return Arm(texts=tuple(names), ended=ended, scores=shares, predicted=tuple(int(place) for place in predicted))


def score_several(items: Sequence[Item], named_NC: NDArray[np.bool_], *, labels: Sequence[str]) -> Arm:
    """Accuracy (all labels of a text, and no other) and predicted labels."""
    named = tuple(tuple(np.flatnonzero(named_C).tolist()) for named_C in named_NC)
    texts = tuple(spell_labels(labels[place] for place in places) for places in named)
    right = [float(text == spell_labels(item.golds)) for text, item in zip(texts, items, strict=True)]
    shares = {"accuracy": right, "ended": [1.0] * len(texts)}
    return Arm(texts=texts, ended=(True,) * len(texts), scores=shares, named=named)


def _matrix(rows: Sequence[Worded], labels: int) -> NDArray[np.bool_]:
    """Which row has which label: [N, C]."""
    found_NC = np.zeros((len(rows), labels), dtype=np.bool_)
    for place, row in enumerate(rows):
        found_NC[place, list(row.labels)] = True
    return found_NC


def _states(
    rows: Sequence[Sequence[int]], seconds: Sequence[int], engine: Classifies, listener: Listener
) -> NDArray[np.float64]:
    return np.asarray(engine.states(rows, seconds=seconds, listener=listener), dtype=np.float64)


def _texts(items: Sequence[Item], engine: Classifies) -> tuple[list[tuple[int, ...]], list[int]]:
    """Ids of every item's text or texts, and where the second begins; empty if no item has one."""
    return worded_texts([[turn.content for turn in item.messages] for item in items], engine.wording)
