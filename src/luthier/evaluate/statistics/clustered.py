"""The gain of one arm over another on the same items, with documents as the unit of sampling.

CR2 standard error: Bell & McCaffrey (2002), Pustejovsky & Tipton (2018), here in closed form for several tasks
with weights; Satterthwaite degrees of freedom are the smaller of two working models.
"""

# G documents, K tasks, N items

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean difference (or score) and what is known about it. `low` and `high` are one-sided 1 - alpha bounds each."""

    value: float
    se: float
    df: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Per document and task: number of items and sum of their differences."""

    items: FloatArray
    """[G, K] number of items."""
    sums: FloatArray
    """[..., G, K] sum of their differences; axes before G are other exams with the same numbers of items."""
    weights: FloatArray
    """[K], sum 1."""

    @property
    def shares(self) -> FloatArray:
        """S_g [..., G]: what each document adds to the weighted gain; they sum to it."""
        shares: FloatArray = (self.sums * (self.weights / self.items.sum(axis=0))).sum(axis=-1)
        return shares


def sum_by_document(difference_N: FloatArray, *, document_N: IntArray, task_N: IntArray, weights_K: FloatArray) -> Sums:
    """Add up items; documents and tasks are numbered from 0, every task has items."""
    shape = (int(document_N.max()) + 1, len(weights_K))
    items_GK, sums_GK = np.zeros(shape), np.zeros(shape)
    np.add.at(items_GK, (document_N, task_N), 1.0)
    np.add.at(sums_GK, (document_N, task_N), difference_N)
    assert (items_GK.sum(axis=0) > 0).all(), "every task has items"
    assert math.isclose(float(weights_K.sum()), 1.0), "weights sum to 1"
    return Sums(items=items_GK, sums=sums_GK, weights=weights_K)


def clustered_gain(sums: Sums, *, alpha: float) -> Gain:
    """Delta, CR2 standard error, Satterthwaite df and bounds; every task needs items from at least 2 documents.

    Delta = sum_k w_k dbar_k; SE^2 = sum_g e_g^2 with e_g = sum_k x_gk (D_gk - n_gk dbar_k) and
    x_gk = w_k / (n_k sqrt(1 - n_gk / n_k)).
    """
    value = float(sums.weights @ (sums.sums.sum(axis=0) / sums.items.sum(axis=0)))
    error_G = document_errors(sums)
    return bounded(value, se=math.sqrt(float(error_G @ error_G)), df=degrees_of_freedom(sums), alpha=alpha)


def document_errors(sums: Sums) -> FloatArray:
    """e_g [..., G]: what each document adds to the error of the gain; SE^2 is the sum of their squares."""
    mean_K = sums.sums.sum(axis=-2, keepdims=True) / sums.items.sum(axis=0)
    errors: FloatArray = (_x(sums) * (sums.sums - sums.items * mean_K)).sum(axis=-1)
    return errors


def degrees_of_freedom(sums: Sums) -> float:
    """Satterthwaite's nu, the smaller of two working models; it depends on the numbers of items alone."""
    x_GK, leverage_GK = _x(sums), sums.items / sums.items.sum(axis=0)
    return min(_df_independent(x_GK, leverage_GK, sums.items), _df_one_effect(x_GK, leverage_GK, sums.items))


def bounded(value: float, *, se: float, df: float, alpha: float) -> Gain:
    """A value with Student's bounds; df may be infinite."""
    reach = float(stdtrit(df, 1 - alpha)) * se
    return Gain(value=value, se=se, df=df, low=value - reach, high=value + reach)


def _x(sums: Sums) -> FloatArray:
    """[G, K] x_gk: the weight of a document's deviations."""
    n_K = sums.items.sum(axis=0)
    leverage_GK = sums.items / n_K
    assert (leverage_GK < 1).all(), "a task with one document has no standard error"
    x_GK: FloatArray = sums.weights / (n_K * np.sqrt(1 - leverage_GK))
    return x_GK


def _df_independent(x_GK: FloatArray, leverage_GK: FloatArray, items_GK: FloatArray) -> float:
    """(trace Gamma)^2 / |Gamma|^2 with Gamma_gl = [g=l] sum_k x_gk^2 n_gk - sum_k n_k (x_gk h_gk)(x_lk h_lk)."""
    diagonal_G = (x_GK**2 * items_GK).sum(axis=1)
    low_rank_GK = np.sqrt(items_GK.sum(axis=0)) * x_GK * leverage_GK
    trace = float(diagonal_G.sum() - (low_rank_GK**2).sum())
    inner_KK = low_rank_GK.T @ low_rank_GK
    square = diagonal_G @ diagonal_G - 2 * diagonal_G @ (low_rank_GK**2).sum(axis=1) + (inner_KK**2).sum()
    return trace**2 / float(square)


def _df_one_effect(x_GK: FloatArray, leverage_GK: FloatArray, items_GK: FloatArray) -> float:
    """The same for Gamma = M M', M_gl = [g=l] sum_k x_gk n_gk - sum_k x_gk h_gk n_lk, without a G x G matrix."""
    diagonal_G = (x_GK * items_GK).sum(axis=1)
    left_GK = x_GK * leverage_GK
    tasks = x_GK.shape[1]
    outer = np.hstack([diagonal_G[:, None] * items_GK, left_GK])
    core = np.zeros((2 * tasks, 2 * tasks))
    core[:tasks, tasks:] = core[tasks:, :tasks] = -np.eye(tasks)
    core[tasks:, tasks:] = items_GK.T @ items_GK
    gram = core @ (outer.T @ outer)
    own_G = ((outer @ core) * outer).sum(axis=1)
    trace = float((diagonal_G**2).sum() + np.trace(gram))
    square = float((diagonal_G**4).sum() + 2 * (diagonal_G**2) @ own_G + np.trace(gram @ gram))
    return trace**2 / square
