"""Entities of a text and the BIO labels of its words, both ways."""

# T tokens, W words, C labels

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.models.texts import WordedWords
from luthier.records import Entity

OUTSIDE = "O"


def label_list(types: Iterable[str]) -> list[str]:
    """`O`, then `B-X` and `I-X` of every type, in the order of the alphabet."""
    return [OUTSIDE, *(f"{mark}-{kind}" for kind in sorted(set(types)) for mark in "BI")]


def bio_of(entities: Iterable[Entity], words: Sequence[tuple[int, int]]) -> list[str]:
    """The label of every word: `B-X` on the first word that an entity touches, `I-X` on its others."""
    labels = [OUTSIDE] * len(words)
    for entity in entities:
        inside = [place for place, (start, end) in enumerate(words) if start < entity.end and end > entity.start]
        for place in inside:
            labels[place] = f"{'B' if place == inside[0] else 'I'}-{entity.label}"
    return labels


def entities_in(labels: Sequence[str], words: Sequence[tuple[int, int]]) -> tuple[Entity, ...]:
    """Entities by the labels of words, as seqeval counts them: an `I-` after `O` or another type begins one."""
    found: list[Entity] = []
    open_type = ""
    for label, (start, end) in zip(labels, words, strict=True):
        mark, _, kind = label.partition("-")
        if mark == "I" and kind == open_type:
            found[-1] = Entity(found[-1].start, end, kind)
        elif kind:
            found.append(Entity(start, end, kind))
        open_type = kind
    return tuple(found)


def entity_text(entity: Entity) -> str:
    """An entity as a gold of the exam: `start:end:TYPE`."""
    return f"{entity.start}:{entity.end}:{entity.label}"


def entity_of(gold: str) -> Entity:
    """The entity that `entity_text` wrote."""
    start, end, label = gold.split(":", 2)
    return Entity(int(start), int(end), label)


@dataclass(frozen=True, slots=True)
class Named:
    """An entity that a model found, with its words and the mean probability of their labels."""

    entity: Entity
    score: float


def named_entities(chances_TC: NDArray[np.float64], text: WordedWords, labels: Sequence[str]) -> list[Named]:
    """Entities of a text by the most probable label of each word, from label probabilities of all tokens."""
    chances_WC = np.asarray(chances_TC)[list(text.first)]
    found = entities_in([labels[place] for place in chances_WC.argmax(axis=1)], text.words)
    best_W = chances_WC.max(axis=1)
    starts, ends = (np.array([word[side] for word in text.words]) for side in (0, 1))
    inside = [(starts >= entity.start) & (ends <= entity.end) for entity in found]
    return [Named(entity, float(best_W[mask].mean())) for entity, mask in zip(found, inside, strict=True)]
