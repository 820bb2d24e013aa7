"""What a tuned model reaches on its exam, document by document, so that two of them can be compared in pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir
from luthier.artifacts.rows import read_items
from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.metrics.spans import span_f1, types_of
from luthier.evaluate.statistics.clustered import FloatArray, IntArray
from luthier.evaluate.statistics.jackknife import Metric
from luthier.evaluate.tasks import classify, embed, generate, likelihood, tag
from luthier.models.bases import resolve_base
from luthier.models.engines.hf import Engine, load_engine
from luthier.records import Item


@dataclass(frozen=True, slots=True)
class Marks:
    """Counts of every document of an exam, and what their sum is worth."""

    counts: FloatArray
    """[G, V]"""
    metric: Metric

    @property
    def points(self) -> float:
        """A hundred times macro-F1, entity F1, nDCG@10 or the share of exact matches, or minus the logarithm of the
        bits per byte: more is better.
        """
        return 100 * float(self.metric(self.counts.sum(axis=0)))


def marks_of(run: Path, *, objective: str, base: str, kept: Path) -> Marks:
    """Let the model of a run sit its exam, and keep the counts in a file; what is kept is not asked again."""
    items = read_items(ExamDir.open(run / ExamDir.kind).file("items.parquet"))
    dataset = DatasetDir.open(run / DatasetDir.kind)
    labels = [str(label) for label in dataset.manifest.facts.get("labels") or ()]
    documents = sorted({item.document for item in items})
    places = np.array([documents.index(item.document) for item in items])
    if not kept.is_file():
        engine = load_engine(resolve_base(base, relative_to=run), tuned=ModelDir.open(run / ModelDir.kind))
        np.save(kept, _counts(_Sitting(items, engine, dataset, labels, places), objective))
    return Marks(np.load(kept), _metric(objective, items, labels, places))


@dataclass(frozen=True, slots=True)
class _Sitting:
    items: Sequence[Item]
    engine: Engine
    dataset: DatasetDir
    labels: Sequence[str]
    places: IntArray


def _metric(objective: str, items: Sequence[Item], labels: Sequence[str], places: IntArray) -> Metric:
    match objective:
        case "classify":
            return macro_f1(scored_labels(_gold(items, labels), places, labels=len(labels)), labels=len(labels))
        case "tag":
            return span_f1(types=len(types_of(labels)))
        case "complete":
            return _minus_log_mean
        case _:
            return _mean


def _counts(asked: _Sitting, objective: str) -> FloatArray:
    items, engine, labels, places = asked.items, asked.engine, asked.labels, asked.places
    if objective == "classify":
        predicted = classify.ask_tuned(items, engine=engine, labels=labels).predicted
        return label_counts(_gold(items, labels), np.array(predicted), document_N=places, labels=len(labels))
    if objective == "tag":
        spans = tag.ask_tuned(items, engine=engine, labels=labels).spans
        return _added(np.array(spans, dtype=np.float64), places)
    scores = np.array(_scores(items, engine, asked.dataset, objective))
    return _added(np.stack([scores, np.ones(len(scores))], axis=1), places)


def _gold(items: Sequence[Item], labels: Sequence[str]) -> IntArray:
    return np.array([labels.index(item.golds[0]) for item in items])


def _scores(items: Sequence[Item], engine: Engine, dataset: DatasetDir, objective: str) -> list[float]:
    if objective == "embed":
        pool = embed.pool_of(dataset, items, wording=engine.wording)
        return embed.search(items, pool, engine=engine, adapter=True).scores["ndcg_10"]
    if objective == "chat":
        limit = generate.answer_limit(items, engine.wording, setting="auto")
        return generate.ask(items, engine=engine, adapter=True, max_tokens=limit).scores["exact_match"]
    return likelihood.ask(items, engine=engine, adapter=True).scores["bits_per_byte"]


def _added(values_NV: FloatArray, places: IntArray) -> FloatArray:
    """Sums over the items of each document: [G, V]."""
    sums_GV = np.zeros((int(places.max()) + 1, values_NV.shape[1]))
    np.add.at(sums_GV, places, values_NV)
    return sums_GV


def _mean(sums: FloatArray) -> FloatArray:
    found: FloatArray = sums[..., 0] / sums[..., 1]
    return found


def _minus_log_mean(sums: FloatArray) -> FloatArray:
    return -np.log(_mean(sums))
