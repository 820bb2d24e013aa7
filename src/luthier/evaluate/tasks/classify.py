"""One label per text: the tuned classifier against a linear probe on the frozen base."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.evaluate.arms import Arm
from luthier.evaluate.probe import Probe, fit_probe
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.chat import Wording
from luthier.records import Item, Listener, nobody_listens


class Classifies(Protocol):
    """An engine that labels, and whose frozen base can be read."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def classify(self, rows: Sequence[Sequence[int]], *, listener: Listener) -> Any:
        """Probabilities [rows, labels] of the tuned model."""

    def states(self, rows: Sequence[Sequence[int]], *, listener: Listener) -> Any:
        """Mean-pooled last hidden states [rows, width] of the frozen base."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """The tuned classifier, and the probe in place of a base that has no head."""
    labels, engine, listener = room.labels, room.engine, room.listener
    base, probe = ask_probe(items, engine=engine, dataset=room.dataset, labels=labels, listener=listener)
    tuned = ask_tuned(items, engine=engine, labels=labels, listener=listener)
    return Sitting(base, tuned, rules={"probe": {"strength": probe.strength, "converged": probe.converged}})


def ask_tuned(
    items: Sequence[Item], *, engine: Classifies, labels: Sequence[str], listener: Listener = nobody_listens
) -> Arm:
    """The tuned model's most probable label of every item."""
    probabilities = engine.classify(_texts(items, engine), listener=listener)
    return score(items, np.argmax(np.asarray(probabilities), axis=1), labels=labels)


def ask_probe(
    items: Sequence[Item],
    *,
    engine: Classifies,
    dataset: DatasetDir,
    labels: Sequence[str],
    listener: Listener = nobody_listens,
) -> tuple[Arm, Probe]:
    """Labels from logistic regression on the base's mean-pooled states, fitted on TRAIN, strength chosen on VAL."""
    rows = [read_worded(dataset.file(name)) for name in ("train.parquet", "validation.parquet")]
    states = np.asarray(engine.states([row.ids for part in rows for row in part], listener=listener), dtype=np.float64)
    gold = np.array([row.labels[0] for part in rows for row in part], dtype=np.int64)
    size = len(rows[0])
    probe = fit_probe(states[:size], gold[:size], validation=(states[size:], gold[size:]), labels=len(labels))
    asked = np.asarray(engine.states(_texts(items, engine), listener=listener), dtype=np.float64)
    return score(items, probe.predict(asked), labels=labels), probe


def score(items: Sequence[Item], predicted: NDArray[np.int64], *, labels: Sequence[str]) -> Arm:
    """Accuracy and predicted labels."""
    names = [labels[int(place)] for place in predicted]
    right = [float(name in item.golds) for name, item in zip(names, items, strict=True)]
    ended = (True,) * len(names)
    shares = {"accuracy": right, "ended": [1.0] * len(names)}
    return Arm(texts=tuple(names), ended=ended, scores=shares, predicted=tuple(int(place) for place in predicted))


def _texts(items: Sequence[Item], engine: Classifies) -> list[tuple[int, ...]]:
    return [engine.wording.text_ids(item.messages[0].content) for item in items]
