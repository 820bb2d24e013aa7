"""Vectors of texts: whether what belongs to a query is found among everything known, and whether likeness is judged
as people judged it."""

# Q queries, C candidates, E embedding

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.evaluate.arms import BM25, Arm
from luthier.evaluate.metrics.ranking import rank_words, ranks_of, retrieval_scores, spearman_shares
from luthier.evaluate.retrieval import WordIndex
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.statistics.clustered import FloatArray
from luthier.models.chat import Wording
from luthier.records import Item, Listener, nobody_listens

TOGETHER = 256
"""Queries compared with all candidates at once."""
Texts = Sequence[tuple[int, ...]]


class Embeds(Protocol):
    """An engine that makes vectors."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def embed(self, rows: Sequence[Sequence[int]], *, adapter: bool, listener: Listener) -> Any:
        """A vector of each text: [N, E]."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Base and tuned order the pool, or judge pairs; words alone (BM25) order it too."""
    engine, listener = room.engine, room.listener
    if items and is_scored(items[0]):
        asking = partial(judge, items, engine=engine, listener=listener)
        base, tuned = (room.meter.ask(name, partial(asking, adapter=name == "tuned")) for name in ("base", "tuned"))
        return Sitting(base, tuned)
    pool = pool_of(room.dataset, items, wording=engine.wording)
    asking = partial(search, items, pool, engine=engine, listener=listener)
    base, tuned = (room.meter.ask(name, partial(asking, adapter=name == "tuned")) for name in ("base", "tuned"))
    by_words = partial(search_words, items, pool, engine.wording)
    rivals = {BM25: room.meter.ask(BM25, by_words)} if BM25 in room.plan["arms"] else {}
    return Sitting(base, tuned, rules={"pool": len(pool)}, rivals=rivals)


def is_scored(item: Item) -> bool:
    """Whether an item is two texts with a score of how alike they are, not a query with what belongs to it."""
    return len(item.golds) == 2


def pool_of(dataset: DatasetDir, items: Sequence[Item], *, wording: Wording) -> Texts:
    """Every text that is not a query, of training, validation and exam, once, in the order of their ids."""
    rows = (row for name in ("train.parquet", "validation.parquet") for row in read_worded(dataset.file(name)))
    known = {text for row in rows for text in row.texts[1:]}
    return sorted(known | {wording.text_ids(item.golds[0]) for item in items})


def search(
    items: Sequence[Item], pool: Texts, *, engine: Embeds, adapter: bool, listener: Listener = nobody_listens
) -> Arm:
    """Order the pool by the cosine with each query, with the vectors of the tuned model (`adapter`) or the base."""
    found_CE = _unit(engine.embed(pool, adapter=adapter, listener=listener))
    asked_QE = _unit(engine.embed(_queries(items, engine.wording), adapter=adapter, listener=listener))

    def scores() -> Iterator[FloatArray]:
        for start in range(0, len(items), TOGETHER):
            yield from asked_QE[start : start + TOGETHER] @ found_CE.T

    return _ranked(items, pool, scores, wording=engine.wording)


def search_words(items: Sequence[Item], pool: Texts, wording: Wording) -> Arm:
    """Order the pool by BM25."""
    index = WordIndex([wording.decode(text) for text in pool])
    return _ranked(items, pool, lambda: (index.scores(item.messages[0].content) for item in items), wording=wording)


def judge(items: Sequence[Item], *, engine: Embeds, adapter: bool, listener: Listener = nobody_listens) -> Arm:
    """The cosine of every pair, against the scores that people gave."""
    first, second = (
        _unit(engine.embed(texts, adapter=adapter, listener=listener))
        for texts in (_queries(items, engine.wording), [engine.wording.text_ids(item.golds[0]) for item in items])
    )
    return score_pairs(items, [float(value) for value in (first * second).sum(axis=1)])


def score_pairs(items: Sequence[Item], cosines: Sequence[float]) -> Arm:
    """What each pair adds to Spearman's correlation."""
    shares = spearman_shares(np.array(cosines), np.array([float(item.golds[1]) for item in items]))
    scores = {"spearman": shares.tolist(), "ended": [1.0] * len(items)}
    return Arm(texts=tuple(repr(float(cosine)) for cosine in cosines), ended=(True,) * len(items), scores=scores)


def _ranked(items: Sequence[Item], pool: Texts, scores: Callable[[], Iterator[FloatArray]], *, wording: Wording) -> Arm:
    places = {text: place for place, text in enumerate(pool)}
    queries = _queries(items, wording)
    # What belongs to a query in one item belongs to it in all.
    relevant: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for query, item in zip(queries, items, strict=True):
        relevant[query].add(places[wording.text_ids(item.golds[0])])
    texts, columns = [], defaultdict[str, list[float]](list)
    for query, score_C in zip(queries, scores(), strict=True):
        ranks = ranks_of(score_C, sorted(relevant[query]))
        texts.append(rank_words(ranks, wording.decode(pool[int(score_C.argmax())])))
        for name, value in retrieval_scores(ranks).items():
            columns[name].append(value)
    columns["ended"] = [1.0] * len(items)
    return Arm(texts=tuple(texts), ended=(True,) * len(items), scores=dict(columns))


def _queries(items: Sequence[Item], wording: Wording) -> list[tuple[int, ...]]:
    return [wording.text_ids(item.messages[0].content) for item in items]


def _unit(vectors_NE: FloatArray) -> FloatArray:
    unit: FloatArray = vectors_NE / np.maximum(np.linalg.norm(vectors_NE, axis=1, keepdims=True), 1e-12)
    return unit
