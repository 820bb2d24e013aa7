"""Made-up corpora of labels and of spans under two models, and how often the jack-knife's interval holds the truth."""

# N items, G documents, C labels

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from bench.evidence._grid import ALPHA
from scipy.special import ndtr

from luthier.evaluate.compare import FEW
from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.statistics.jackknife import jackknife_gain

LABELS, PER_DOCUMENT = 4, 8
POPULATION = 40_000
"""Documents that stand for all there are: their metric is the truth."""


@dataclass(frozen=True)
class Corpora:
    """So many documents, and how much better the second model is (latent standard deviations)."""

    documents: int
    better: float = 0.0


def covered(metric: str, corpora: Corpora, *, runs: int, random: np.random.Generator) -> tuple[float, int, float]:
    """Share of the intervals given that hold the truth, how many were given, and the truth."""
    measure = METRICS[metric]
    truth = measure(replace(corpora, documents=POPULATION), random)[0] if corpora.better else 0.0
    held = given = 0
    for _ in range(runs):
        _, low, high, differing = measure(corpora, random)
        if differing >= FEW:
            given += 1
            held += low <= truth <= high
    return held / max(given, 1), given, truth


def _labels(corpora: Corpora, random: np.random.Generator) -> tuple[float, float, float, int]:
    """Macro-F1 of four labels, each document leaning to some of them, hard for both models or for neither."""
    documents = corpora.documents
    document_N = np.repeat(np.arange(documents), PER_DOCUMENT)
    mixture_GC = random.dirichlet([2.0, 1.5, 1.0, 0.8], size=documents).cumsum(axis=1)
    gold_N = np.minimum((random.random(len(document_N))[:, None] > mixture_GC[document_N]).sum(axis=1), LABELS - 1)
    other_N = (gold_N + random.integers(1, LABELS, len(gold_N))) % LABELS
    predicted = [np.where(right, gold_N, other_N) for right in _right(corpora, document_N, random)]
    kept = scored_labels(gold_N, document_N, labels=LABELS) if documents < POPULATION else np.arange(LABELS)
    base, tuned = (label_counts(gold_N, each, document_N=document_N, labels=LABELS) for each in predicted)
    return _gain(base, tuned, macro_f1(kept, labels=LABELS))


def _spans(corpora: Corpora, random: np.random.Generator) -> tuple[float, float, float, int]:
    """Micro-F1 of spans: found, predicted and gold ones per document, some predicted where nothing is."""
    documents = corpora.documents
    golds_G = 1 + random.poisson(PER_DOCUMENT - 1, documents)
    document_N = np.repeat(np.arange(documents), golds_G)
    counts = []
    for right_N in _right(corpora, document_N, random):
        found_G = np.bincount(document_N, weights=right_N, minlength=documents)
        missed_G = golds_G - found_G
        predicted_G = found_G + random.binomial(missed_G.astype(np.int64), 0.6) + random.poisson(0.5, documents)
        counts.append(np.stack([found_G, predicted_G, golds_G], axis=1).astype(float))
    return _gain(*counts, lambda each: 2 * each[..., 0] / (each[..., 1] + each[..., 2]))


def _right(corpora: Corpora, document_N: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which items base and tuned get right: they share an item's difficulty, and documents lean to one of them."""
    items, documents = len(document_N), corpora.documents
    shared_N = 0.7 * random.normal(size=items) + 0.5 * random.normal(size=documents)[document_N]
    base, tuned = (
        ndtr(shared_N + 0.3 * random.normal(size=documents)[document_N] + 0.5 + better) > random.random(items)
        for better in (0.0, corpora.better)
    )
    return base, tuned


def _gain(
    base_GV: np.ndarray, tuned_GV: np.ndarray, metric: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float, float, int]:
    gain = jackknife_gain(tuned_GV, base_GV, metric, alpha=ALPHA)
    return gain.value, gain.low, gain.high, int((tuned_GV != base_GV).any(axis=1).sum())


METRICS = {"macro-F1": _labels, "span F1": _spans}
