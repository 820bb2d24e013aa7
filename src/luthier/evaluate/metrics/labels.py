"""Metrics of predicted labels, from counts per document so that documents can be left out or exchanged."""

# N items, G documents, C labels

from collections.abc import Callable

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, IntArray

FEWEST_DOCUMENTS_PER_LABEL = 3


def scored_labels(gold_N: IntArray, document_N: IntArray, *, labels: int) -> IntArray:
    """Labels that are gold in at least 3 exam documents: the classes macro-F1 averages over."""
    documents = [len(np.unique(document_N[gold_N == label])) for label in range(labels)]
    return np.flatnonzero(np.array(documents, dtype=np.int64) >= FEWEST_DOCUMENTS_PER_LABEL)


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
