"""Entities of texts: the tuned tagger against a linear probe on the frozen base's first sub-words."""

# W words, H hidden width

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.spans import span_counts, span_f1, types_of
from luthier.evaluate.probe import Probe, fit_probe
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.statistics.clustered import IntArray
from luthier.models.chat import Wording
from luthier.models.spans import entities_in, entity_of, entity_text, named_entities
from luthier.models.texts import WordedWords
from luthier.records import Entity, Item, Listener, Worded, nobody_listens

MOST_WORDS = 20_000
"""Training words that the probe learns from: more take minutes and change little."""


class TagsTokens(Protocol):
    """An engine that labels tokens, and whose frozen base can be read."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def tag(self, rows: Sequence[Sequence[int]], *, listener: Listener) -> Sequence[Any]:
        """Label probabilities [tokens, labels] of every row by the tuned model."""

    def token_states(
        self, rows: Sequence[Sequence[int]], chosen: Sequence[Sequence[bool]], *, listener: Listener
    ) -> Any:
        """Last hidden states of the frozen base at the chosen tokens, row by row: [chosen, H]."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """The tuned tagger, and the probe in place of a base that has no head."""
    engine, listener, labels = room.engine, room.listener, room.labels
    asking = partial(ask_probe, items, engine=engine, dataset=room.dataset, labels=labels, listener=listener)
    base, probe = room.meter.ask("base", asking)
    tuned = room.meter.ask("tuned", partial(ask_tuned, items, engine=engine, labels=labels, listener=listener))
    return Sitting(base, tuned, rules={"probe": {"strength": probe.strength, "converged": probe.converged}})


def ask_tuned(
    items: Sequence[Item], *, engine: TagsTokens, labels: Sequence[str], listener: Listener = nobody_listens
) -> Arm:
    """The entities that the tuned model's most probable labels make."""
    texts = _texts(items, engine)
    found = engine.tag([text.ids for text in texts], listener=listener)
    named = [named_entities(each, text, labels) for each, text in zip(found, texts, strict=True)]
    return score(items, [[each.entity for each in part] for part in named], types=types_of(labels))


def ask_probe(
    items: Sequence[Item],
    *,
    engine: TagsTokens,
    dataset: DatasetDir,
    labels: Sequence[str],
    listener: Listener = nobody_listens,
) -> tuple[Arm, Probe]:
    """Entities from logistic regression on the base's states of first sub-words, fitted on TRAIN, its strength chosen
    on VAL by span F1.
    """
    train, validation = (read_worded(dataset.file(name)) for name in ("train.parquet", "validation.parquet"))
    train = _first_words(train)
    states, held = (
        engine.token_states([row.ids for row in part], [row.trained for row in part], listener=listener)
        for part in (train, validation)
    )
    gold, wanted = (np.array([label for row in part for label in row.labels]) for part in (train, validation))
    reached = partial(_span_f1, gold=wanted, rows=validation, labels=labels)
    probe = fit_probe(states, gold, validation=(held, wanted), labels=len(labels), reached=reached)
    texts = _texts(items, engine)
    asked = engine.token_states([text.ids for text in texts], [text.first for text in texts], listener=listener)
    places = np.split(probe.predict(asked), np.cumsum([len(text.words) for text in texts])[:-1])
    found = [
        entities_in([labels[int(place)] for place in each], text.words)
        for each, text in zip(places, texts, strict=True)
    ]
    return score(items, found, types=types_of(labels)), probe


def score(items: Sequence[Item], found: Sequence[Sequence[Entity]], *, types: Sequence[str]) -> Arm:
    """Counts of entities by type, and whether every entity of an item is right."""
    counts = tuple(
        span_counts(map(entity_of, item.golds), named, types=types) for item, named in zip(items, found, strict=True)
    )
    right = [float(not any(count[len(types) :])) for count in counts]
    ended = (True,) * len(items)
    texts = tuple("\n".join(map(entity_text, named)) for named in found)
    return Arm(texts=texts, ended=ended, scores={"exact_match": right, "ended": [1.0] * len(items)}, spans=counts)


def _span_f1(predicted: IntArray, *, gold: IntArray, rows: Sequence[Worded], labels: Sequence[str]) -> float:
    """Over rows whose words are only numbered: an entity is told by its first and last word."""
    cuts = np.cumsum([len(row.labels) for row in rows])[:-1]
    types, total = types_of(labels), np.zeros(3 * len(types_of(labels)))
    for wanted, named in zip(np.split(gold, cuts), np.split(predicted, cuts), strict=True):
        words = [(place, place + 1) for place in range(len(wanted))]
        sides = [entities_in([labels[int(place)] for place in side], words) for side in (wanted, named)]
        total += span_counts(*sides, types=types)
    return float(span_f1(types=len(types))(total))


def _first_words(rows: Sequence[Worded]) -> list[Worded]:
    """Rows in the order of their ids, which is no order of the customer's, as long as they hold few enough words."""
    ordered = sorted(rows, key=lambda row: row.id)
    sizes = np.cumsum([len(row.labels) for row in ordered])
    return ordered[: max(1, int(np.searchsorted(sizes, MOST_WORDS, side="right")))]


def _texts(items: Sequence[Item], engine: TagsTokens) -> list[WordedWords]:
    return [engine.wording.word_ids(item.messages[0].content) for item in items]
