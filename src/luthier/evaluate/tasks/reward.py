"""Better and worse answers: which of them the model gives the larger reward, against a linear probe on the base."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.rows import read_worded
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.pairs import choice_words, chosen_share
from luthier.evaluate.probe import fit_probe
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.tasks.prefer import answer_rows
from luthier.records import Item, Listener


class Judges(Protocol):
    """An engine that gives rewards, and whose frozen base can be read."""

    def rewards(self, rows: Sequence[Sequence[int]], *, listener: Listener) -> Any:
        """Rewards [rows] of the tuned model."""

    def states(self, rows: Sequence[Sequence[int]], *, listener: Listener) -> Any:
        """Mean-pooled last hidden states [rows, width] of the frozen base."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """The tuned model, and a probe in place of a base that gives no rewards."""
    asked = [row.ids for row in answer_rows(items, wording=room.engine.wording)]
    judging = partial(room.engine.rewards, asked, listener=room.listener)
    rewards = np.asarray(room.meter.ask("tuned", judging), dtype=np.float64).reshape(-1, 2)
    tuned = score(rewards[:, 0] - rewards[:, 1])
    rows = [read_worded(room.dataset.file(name)) for name in ("train.parquet", "validation.parquet")]
    learnt, held = (_turned(leads([text for row in part for text in row.texts], room)) for part in rows)
    probe = fit_probe(*learnt, validation=held, labels=2)
    told = room.meter.ask("base", lambda: probe.predict(leads(asked, room)))
    base = score(np.asarray(told, dtype=np.float64) - 0.5, unit=None)
    return Sitting(base, tuned, rules={"probe": {"strength": probe.strength, "converged": probe.converged}})


def score(lead: NDArray[np.float64], *, unit: str | None = "of reward") -> Arm:
    """Pair accuracy: by how much each better answer leads."""
    shares = {"pair_accuracy": [chosen_share(float(value)) for value in lead], "ended": [1.0] * len(lead)}
    return Arm(tuple(choice_words(float(value), unit=unit) for value in lead), (True,) * len(lead), shares)


def leads(texts: Sequence[Sequence[int]], room: Room) -> NDArray[np.float64]:
    """How the base's states of two answers differ, the first minus the second of each pair: [P, width]."""
    states = np.asarray(room.engine.states(texts, listener=room.listener), dtype=np.float64)
    difference: NDArray[np.float64] = states[0::2] - states[1::2]
    return difference


def _turned(lead: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every pair both ways round, and whether the better answer stands first: then no side is likelier as such."""
    first = np.ones(len(lead), dtype=np.int64)
    return np.concatenate([lead, -lead]), np.concatenate([first, 1 - first])
