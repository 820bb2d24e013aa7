"""Cross-fitting: with few documents every one of them is examined, by a model that was trained without it.

The evidence is then for the procedure, not for one model; the folds' models share most of their training rows, which
makes their answers depend on each other and the plain standard error too small.
"""

# F folds, G documents

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, Gain, bounded

FOLDS = 5
FEWER_THAN = 60
"""Documents: with fewer, cross-fitting examines more than a held-out share could."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """All folds' items as one exam."""

    items: tuple[str, ...]
    documents: tuple[str, ...]
    """The document of every item: still the unit of sampling."""
    folds: tuple[int, ...]
    differences: FloatArray
    """Tuned minus other, per item."""


def deal_folds(groups: Iterable[str], *, folds: int = FOLDS, seed: int) -> dict[str, int]:
    """Fold of every group, dealt out in turn in an order drawn by hash: sizes differ by one group at most."""
    names = sorted(set(groups), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    assert len(names) >= folds > 1, "every fold has a group"
    return {name: place % folds for place, name in enumerate(names)}


def pool_folds(parts: Sequence[Mapping[str, Sequence[object]]]) -> Pooled:
    """Put the folds' columns `item`, `document`, `difference` together, ordered by item.

    AssertionError if a document was examined in two folds: then one of their models was trained on it.
    """
    owner: dict[object, int] = {}
    rows = []
    for fold, part in enumerate(parts):
        for item, document, difference in zip(part["item"], part["document"], part["difference"], strict=True):
            assert owner.setdefault(document, fold) == fold, f"document {document} is in two folds"
            rows.append((str(item), str(document), fold, difference))
    rows.sort(key=lambda row: row[0])
    items, documents, folds, differences = zip(*rows, strict=True)
    assert len(set(items)) == len(items), "no item is examined twice"
    return Pooled(items, documents, folds, np.array(differences, dtype=np.float64))


def se_factor(folds: int = FOLDS) -> float:
    """sqrt(1 + K / (K - 1)): 1.5 for 5 folds.

    The corrected resampled t-test of Nadeau & Bengio (2003) adds the ratio of examined to trained rows, 1 / (K - 1),
    to 1 / K; times K this is 1 + K / (K - 1).
    """
    assert folds > 1, "one fold is no cross-fitting"
    return math.sqrt(1 + folds / (folds - 1))


def widen(gain: Gain, *, folds: int = FOLDS, alpha: float) -> Gain:
    """The pooled gain with the standard error, and bounds, that cross-fitting is entitled to."""
    return bounded(gain.value, se=gain.se * se_factor(folds), df=gain.df, alpha=alpha)
