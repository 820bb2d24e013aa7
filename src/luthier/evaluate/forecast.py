"""Would more data help? A law of loss by documents, fitted to runs on nested parts of the data, and its honest range.

loss(D) = B / (D_l + D^beta) + E: a power law with a floor (Hoffmann et al. 2022) and an offset for what pre-training
is already worth (Hernandez et al. 2021). For each (beta, D_l) of a grid it is linear in B, E >= 0.
"""

# R runs, P grid points, N draws

import math
from dataclasses import dataclass, replace

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray

FARTHEST = 4
"""A forecast reaches at most so many times the data there is."""
DRAWS = 200
LEVEL = 0.90
PARAMETERS = 4
_BETAS = np.linspace(0.05, 2.0, 40)
_OFFSETS = np.concatenate([[0.0], np.geomspace(1e-3, 30.0, 31)])
"""D_l in units of D^beta at the largest D, so that the grid fits any number of documents."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one more run on `documents` documents would measure: bits per byte, and a 90 % interval."""

    documents: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast, or why there is none."""

    forecast: Forecast
    back_test: Forecast
    """Made from the runs on at most half of the data, for the runs on all of it."""
    reason: str
    """Why it is not predictable; empty if it is, and only then may the forecast be shown."""


def foresee(documents_R: FloatArray, loss_R: FloatArray, *, target: float, seed: int) -> Outlook:
    """Forecast the loss on `target` documents, at most 4 times what there is, and test the same on the known past.

    `loss_R` is VAL bits per byte of runs on `documents_R` documents, nested parts down to 1/16 with two seeds or more:
    at least 5 runs on half of the data or less. Predictable only if the back-test's interval covers the mean loss on
    all data and the forecast's interval, widened on both sides by what the back-test missed, lies below it.
    """
    most = float(documents_R.max())
    assert target <= FARTHEST * most, "farther than the data can say"
    today = float(loss_R[documents_R == most].mean())
    past = documents_R <= most / 2
    back_test = _forecast(documents_R[past], loss_R[past], target=most, seed=seed)
    # What the law missed of the known past it may miss again, on either side.
    miss = abs(today - back_test.value)
    forecast = _forecast(documents_R, loss_R, target=target, seed=seed)
    forecast = replace(forecast, low=forecast.low - miss, high=forecast.high + miss)
    if not back_test.low <= today <= back_test.high:
        reason = "the runs on half of the data did not foretell the run on all of it"
    elif forecast.high >= today:
        reason = "what more data would bring is smaller than what can be foreseen"
    else:
        reason = ""
    return Outlook(forecast, back_test, reason)


def fit_law(documents_R: FloatArray, loss_NR: FloatArray, *, at: FloatArray) -> FloatArray:
    """Least squares per row of losses, B and E not negative: the fitted law at the places `at`. [N, len(at)]"""
    unit = float(documents_R.max())
    x_PR, x_PA = (_bases(documents / unit) for documents in (documents_R, at))
    mean_P, mean_N = x_PR.mean(axis=1), loss_NR.mean(axis=1)
    free_NP = (loss_NR - mean_N[:, None]) @ (x_PR - mean_P[:, None]).T / x_PR.var(axis=1) / x_PR.shape[1]
    scale_NP = np.maximum(free_NP, 0.0)
    floor_NP = mean_N[:, None] - scale_NP * mean_P
    through_NP = loss_NR @ x_PR.T / (x_PR**2).sum(axis=1)
    scale_NP = np.where(floor_NP < 0, through_NP, scale_NP)
    floor_NP = np.maximum(floor_NP, 0.0)
    # |y - B x - E|^2 without its constant, from sums alone: no array of N x P x R numbers.
    square_NP = scale_NP**2 * (x_PR**2).sum(axis=1) - 2 * scale_NP * (loss_NR @ x_PR.T)
    runs = x_PR.shape[1]
    square_NP += runs * (floor_NP**2 + 2 * floor_NP * (scale_NP * mean_P - mean_N[:, None]))
    best_N = square_NP.argmin(axis=1)
    rows = np.arange(len(best_N))
    fitted: FloatArray = scale_NP[rows, best_N, None] * x_PA[best_N] + floor_NP[rows, best_N, None]
    return fitted


def _bases(share: FloatArray) -> FloatArray:
    """1 / (D_l + D^beta) of every grid point at documents in shares of the most. [P, len(share)]"""
    power = share[None, :] ** _BETAS[:, None]
    grid: FloatArray = 1 / (_OFFSETS[:, None, None] + power[None])
    return grid.reshape(-1, len(share))


def _forecast(documents_R: FloatArray, loss_R: FloatArray, *, target: float, seed: int) -> Forecast:
    """Residual bootstrap, Efron & Tibshirani (1993): residuals x sqrt(R / (R - 4)), one more added for the new run."""
    runs = len(loss_R)
    assert runs > PARAMETERS, "a law of four parameters needs five runs"
    at = np.append(documents_R, target)
    fitted = fit_law(documents_R, loss_R[None], at=at)[0]
    residual_R = (loss_R - fitted[:-1]) * math.sqrt(runs / (runs - PARAMETERS))
    # Raw bits, because numpy keeps only those equal from version to version.
    drawn_NR = (np.random.PCG64(seed).random_raw(DRAWS * (runs + 1)) % runs).reshape(DRAWS, runs + 1)
    noise_NR = residual_R[drawn_NR.astype(np.int64)]
    ahead_N = fit_law(documents_R, fitted[:-1] + noise_NR[:, :-1], at=at[-1:])[:, 0] + noise_NR[:, -1]
    low, high = np.quantile(ahead_N, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Forecast(target, float(fitted[-1]), float(low), float(high))
