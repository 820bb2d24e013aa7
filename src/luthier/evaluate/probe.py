"""The rival of a tuned classifier: logistic regression on what the frozen base already knows."""

# N rows, H hidden width

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from luthier.evaluate.metrics.labels import label_counts, macro_f1
from luthier.evaluate.statistics.clustered import FloatArray, IntArray

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Wide enough that the best one on real encoder states lies inside: a rival tied to the edge would be a weak one."""
MOST_STEPS = 1_000


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe."""

    predict: Callable[[FloatArray], NDArray[np.int64]]
    strength: float
    """scikit-learn's C."""
    converged: bool


def fit_probe(
    states_NH: FloatArray,
    gold_N: IntArray,
    *,
    validation: tuple[FloatArray, IntArray],
    labels: int,
    reached: Callable[[IntArray], float] | None = None,
) -> Probe:
    """Fit on standardised states for every strength and keep the best on validation by macro-F1, or by what `reached`
    says of its predictions; a tie, or no validation rows: the smallest C.
    """
    judge = reached or partial(_macro_f1, gold_N=validation[1], labels=labels)
    mean_H, spread_H = states_NH.mean(axis=0), states_NH.std(axis=0)
    spread_H = np.where(spread_H > 0, spread_H, 1.0)
    best: tuple[float, Probe] | None = None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=MOST_STEPS)
        with warnings.catch_warnings():
            # Said in the evidence instead: `converged`.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((states_NH - mean_H) / spread_H, gold_N)

        def predict(rows_NH: FloatArray, model: LogisticRegression = model) -> NDArray[np.int64]:
            return np.asarray(model.predict((rows_NH - mean_H) / spread_H), dtype=np.int64)

        probe = Probe(predict=predict, strength=strength, converged=int(model.n_iter_.max()) < MOST_STEPS)
        score = judge(predict(validation[0])) if len(validation[1]) else 0.0
        if best is None or score > best[0]:
            best = score, probe
    assert best is not None
    return best[1]


def _macro_f1(predicted_N: IntArray, gold_N: IntArray, *, labels: int) -> float:
    """Over the labels that occur in the gold."""
    counts = label_counts(gold_N, predicted_N, document_N=np.zeros(len(gold_N), dtype=np.int64), labels=labels)
    return float(macro_f1(np.unique(gold_N), labels=labels)(counts.sum(axis=0)))
