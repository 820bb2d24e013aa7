"""What one arm answered, whatever kind of model it is, and which arms an exam of each kind has."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

from luthier.records import Item

MOST_SLICES = 40
FEW_SHOT, RETRIEVAL, BOTH, OPEN_BOOK, BM25 = "few-shot", "retrieval", "tuned + retrieval", "open-book", "BM25"
IN_WORDS = {
    "base": "base",
    "linear probe": "linear probe on the base",
    FEW_SHOT: "base with examples in its prompt",
    RETRIEVAL: "base with retrieval",
    BOTH: "tuned model with retrieval",
    OPEN_BOOK: "base with each item's own source",
    BM25: "word search (BM25)",
}
"""Arms in a sentence."""
TUNED = frozenset({"tuned", BOTH})
"""Arms that the adapter answers."""
_SHOWN = (FEW_SHOT, RETRIEVAL, BOTH, OPEN_BOOK)
RIVALS: dict[str, tuple[str, ...]] = {
    "exact_match": _SHOWN,
    "p_gold": _SHOWN,
    "numeric_match": _SHOWN,
    "ndcg_10": (BM25,),
}
"""Metric -> the arms beside base and tuned. Examples and texts can be put before a question. A head that labels, tags,
points or rewards reads no prompt (its rival is the probe, which stands for the base); held-out text asks nothing that
texts could be found for; a pair's win is measured against the base alone."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Answers of one arm to all items, in the items' order."""

    texts: tuple[str, ...]
    ended: tuple[bool, ...]
    """True where the model stopped by itself."""
    scores: dict[str, list[float]]
    """Metric -> one number per item."""
    predicted: tuple[int, ...] | None = None
    """Index of the predicted label (classify)."""
    spans: tuple[tuple[int, ...], ...] | None = None
    """True, false and missed entities by type, per item (tag)."""
    named: tuple[tuple[int, ...], ...] | None = None
    """Indices of the predicted labels, where a text can have several."""
    tokens: tuple[tuple[int, int], ...] | None = None
    """Tokens of the prompt and of the answer, where answers are written."""


def joined(arms: Sequence[Arm]) -> Arm:
    """The same arm's answers to one lot of items after another."""
    first = arms[0]
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(first)):
        parts = [getattr(arm, name) for arm in arms]
        if name == "scores":
            values[name] = {metric: [score for part in parts for score in part[metric]] for metric in first.scores}
        else:
            values[name] = None if parts[0] is None else tuple(chain.from_iterable(parts))
    return Arm(**values)


@dataclass(frozen=True, slots=True)
class Slices:
    """Items by their gold answer, where there are few different ones."""

    names: tuple[str, ...]
    column: tuple[int | None, ...]
    """Index into `names` per item."""


def slices_of(items: Sequence[Item]) -> Slices:
    """Slice by gold answer if every item has one gold and there are 2 to 40 different ones; else no slices."""
    golds = [item.golds[0] if len(item.golds) == 1 else None for item in items]
    names = tuple(sorted({gold for gold in golds if gold is not None}))
    if None in golds or not 2 <= len(names) <= MOST_SLICES:
        return Slices(names=(), column=(None,) * len(items))
    places = {name: place for place, name in enumerate(names)}
    return Slices(names=names, column=tuple(places[gold] if gold is not None else None for gold in golds))
