"""The rival of a tuned extractor: where an answer starts and ends, by one layer over what the frozen base knows."""

# B rows, T tokens of all rows, H hidden width

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from luthier.evaluate.probe import MOST_STEPS, STRENGTHS
from luthier.evaluate.statistics.clustered import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Pointed:
    """Rows whose answers are known."""

    states_TH: FloatArray
    lengths_B: IntArray
    ends_B2: IntArray
    """First and last token of each answer, counted from the start of its row."""

    @property
    def starts(self) -> IntArray:
        """Where each row begins: [B]."""
        return np.cumsum(self.lengths_B) - self.lengths_B


@dataclass(frozen=True, slots=True)
class SpanProbe:
    """A fitted probe."""

    weights_H2: FloatArray
    mean_H: FloatArray
    spread_H: FloatArray
    strength: float
    """Inverse of the L2 penalty, as scikit-learn's C."""
    converged: bool

    def logits(self, states_TH: FloatArray) -> FloatArray:
        """[T, 2]"""
        found: FloatArray = ((states_TH - self.mean_H) / self.spread_H) @ self.weights_H2
        return found


def fit_span_probe(train: Pointed, validation: Pointed) -> SpanProbe:
    """A softmax over the tokens of each row for either end (conditional logit, McFadden 1974), with an L2 penalty;
    of all strengths the one with the least loss on validation, or without validation rows the smallest.
    """
    mean_H, spread_H = train.states_TH.mean(axis=0), train.states_TH.std(axis=0)
    spread_H = np.where(spread_H > 0, spread_H, 1.0)
    standard = Pointed((train.states_TH - mean_H) / spread_H, train.lengths_B, train.ends_B2)
    weights = np.zeros((train.states_TH.shape[1], 2))
    best: tuple[float, SpanProbe] | None = None
    for strength in STRENGTHS:
        # Each strength starts where the stronger penalty ended.
        done = minimize(
            _penalised,
            weights.ravel(),
            args=(standard, strength),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MOST_STEPS},
        )
        weights = done.x.reshape(-1, 2)
        probe = SpanProbe(weights, mean_H, spread_H, strength, bool(done.success))
        lost = _nats(probe.logits(validation.states_TH), validation)[0] if len(validation.lengths_B) else np.inf
        if best is None or lost < best[0]:
            best = lost, probe
    assert best is not None
    return best[1]


def _penalised(flat: FloatArray, rows: Pointed, strength: float) -> tuple[float, FloatArray]:
    weights_H2 = flat.reshape(-1, 2)
    nats, slope_T2 = _nats(rows.states_TH @ weights_H2, rows)
    slope = rows.states_TH.T @ slope_T2 + weights_H2 / strength
    return nats + float((flat**2).sum()) / (2 * strength), slope.ravel()


def _nats(logits_T2: FloatArray, rows: Pointed) -> tuple[float, FloatArray]:
    """Sum of nats of both ends over all rows, and its slope in the logits."""
    starts = rows.starts
    owner_T = np.repeat(np.arange(len(starts)), rows.lengths_B)
    shifted = logits_T2 - np.maximum.reduceat(logits_T2, starts)[owner_T]
    chances = np.exp(shifted)
    sums_B2 = np.add.reduceat(chances, starts)
    slope = chances / sums_B2[owner_T]
    gold_B2 = starts[:, None] + rows.ends_B2
    nats = float((np.log(sums_B2) - np.take_along_axis(shifted, gold_B2, axis=0)).sum())
    for end in (0, 1):
        np.subtract.at(slope[:, end], gold_B2[:, end], 1.0)
    return nats, slope
