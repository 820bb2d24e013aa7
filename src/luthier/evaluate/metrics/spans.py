"""Entity span F1: an entity counts if its type and both its ends are right (Tjong Kim Sang and De Meulder 2003).

Counts add up over items and documents, so that documents can be left out or exchanged.
"""

# C types of entity

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray
from luthier.records import Entity


def types_of(labels: Sequence[str]) -> list[str]:
    """Types of entity in a list of BIO labels, in its order."""
    return [label.removeprefix("B-") for label in labels if label.startswith("B-")]


def span_counts(gold: Iterable[Entity], found: Iterable[Entity], *, types: Sequence[str]) -> tuple[int, ...]:
    """True positives, false positives and false negatives of every type in one text: [3 C]."""
    wanted, named = set(gold), set(found)
    parts = (wanted & named, named - wanted, wanted - named)
    return tuple(sum(entity.label == kind for entity in part) for part in parts for kind in types)


def span_f1(*, types: int, only: int | None = None) -> Callable[[FloatArray], FloatArray]:
    """A metric: summed counts [..., 3 C] -> 2TP / (2TP + FP + FN) over all types, or of one; 0 where empty."""

    def metric(counts: FloatArray) -> FloatArray:
        split = counts.reshape(*counts.shape[:-1], 3, types)
        kept = split.sum(axis=-1) if only is None else split[..., only]
        true = 2 * kept[..., 0]
        whole = true + kept[..., 1] + kept[..., 2]
        f1: FloatArray = np.divide(true, whole, out=np.zeros_like(true), where=whole > 0)
        return f1

    return metric
