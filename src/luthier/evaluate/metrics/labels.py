"""Metrics of predicted labels, from counts per document so that documents can be left out or exchanged.

Also how far the probabilities of labels are from the truth, and from how often they come true.
"""

# N items, G documents, C labels

from collections.abc import Callable, Sequence

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, IntArray

FEWEST_DOCUMENTS_PER_LABEL = 3
MOST_BINS = 15
FEWEST_PER_BIN = 20


def scored_labels(gold_N: IntArray, document_N: IntArray, *, labels: int) -> IntArray:
    """Labels that are gold in at least 3 exam documents: the classes macro-F1 averages over."""
    documents = [len(np.unique(document_N[gold_N == label])) for label in range(labels)]
    return np.flatnonzero(np.array(documents, dtype=np.int64) >= FEWEST_DOCUMENTS_PER_LABEL)


def several_counts(
    gold: Sequence[Sequence[int]], named: Sequence[Sequence[int]], *, document_N: IntArray, labels: int
) -> FloatArray:
    """`label_counts` of items that can have several labels, or none."""
    documents = int(document_N.max()) + 1
    counts = np.zeros((documents, 3, labels))
    for right, said, document in zip(gold, named, document_N, strict=True):
        for kind, found in enumerate((set(right) & set(said), set(said) - set(right), set(right) - set(said))):
            counts[document, kind, list(found)] += 1
    return counts.reshape(documents, 3 * labels)


def scored_of_several(gold: Sequence[Sequence[int]], document_N: IntArray, *, labels: int) -> IntArray:
    """`scored_labels` of items that can have several labels, or none."""
    held = [(label, int(document)) for labels_of, document in zip(gold, document_N, strict=True) for label in labels_of]
    documents = np.bincount([label for label, _ in set(held)], minlength=labels)
    return np.flatnonzero(documents >= FEWEST_DOCUMENTS_PER_LABEL)


def micro_f1(*, labels: int) -> Callable[[FloatArray], FloatArray]:
    """A metric: summed counts [..., 3 C] -> 2TP / (2TP + FP + FN) of all labels together, 0 where empty."""

    def metric(counts: FloatArray) -> FloatArray:
        split = counts.reshape(*counts.shape[:-1], 3, labels).sum(axis=-1)
        true, whole = 2 * split[..., 0], 2 * split[..., 0] + split[..., 1] + split[..., 2]
        f1: FloatArray = np.divide(true, whole, out=np.zeros_like(true), where=whole > 0)
        return f1

    return metric


def label_counts(gold_N: IntArray, predicted_N: IntArray, *, document_N: IntArray, labels: int) -> FloatArray:
    """True positives, false positives and false negatives of every label, per document: [G, 3 C]."""
    documents = int(document_N.max()) + 1
    counts = np.zeros((documents, 3, labels))
    right_N = gold_N == predicted_N
    np.add.at(counts, (document_N[right_N], 0, gold_N[right_N]), 1.0)
    np.add.at(counts, (document_N[~right_N], 1, predicted_N[~right_N]), 1.0)
    np.add.at(counts, (document_N[~right_N], 2, gold_N[~right_N]), 1.0)
    return counts.reshape(documents, 3 * labels)


def macro_f1(kept: IntArray, *, labels: int) -> Callable[[FloatArray], FloatArray]:
    """A metric: summed counts [..., 3 C] -> mean over `kept` labels of 2TP / (2TP + FP + FN), 0 where empty."""

    def metric(counts: FloatArray) -> FloatArray:
        split = counts.reshape(*counts.shape[:-1], 3, labels)[..., kept]
        true = 2 * split[..., 0, :]
        whole = true + split[..., 1, :] + split[..., 2, :]
        f1: FloatArray = np.divide(true, whole, out=np.zeros_like(true), where=whole > 0).mean(axis=-1)
        return f1

    return metric


def brier(probability_NC: FloatArray, gold_N: IntArray) -> FloatArray:
    """Squared distance of each item's probabilities from its gold: sum_c (p_c - y_c)^2, 0 .. 2; Brier (1950). [N]"""
    away = probability_NC.copy()
    away[np.arange(len(gold_N)), gold_N] -= 1
    score: FloatArray = (away**2).sum(axis=1)
    return score


def calibration_error(probability_NC: FloatArray, gold_N: IntArray) -> float:
    """Expected calibration error of the most probable label: sum_b n_b / n |accuracy_b - confidence_b|.

    15 bins of equal counts (Nguyen & O'Connor 2015), fewer if a bin would hold less than 20 items. Biased up on small
    exams, so it is shown and never a gate.
    """
    chosen_N = probability_NC.argmax(axis=1)
    confidence_N = probability_NC[np.arange(len(gold_N)), chosen_N]
    over_N = (chosen_N == gold_N) - confidence_N
    bins = max(1, min(MOST_BINS, len(gold_N) // FEWEST_PER_BIN))
    parts = np.array_split(over_N[np.argsort(confidence_N, kind="stable")], bins)
    return float(sum(abs(part.sum()) for part in parts) / len(gold_N))
