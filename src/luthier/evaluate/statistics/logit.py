"""Logistic regression on one number, its errors gathered by document.

Quasi-likelihood, so that shares between 0 and 1 are allowed (Papke & Wooldridge 1996); sandwich standard errors by
cluster (Liang & Zeger 1986) with the small-sample factor G/(G-1) (N-1)/(N-2) and t(G-1) bounds.
"""

# N items, G documents

import math

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, Gain, IntArray, bounded

STEPS, CLOSE = 50, 1e-12


def logit_intercept(share_N: FloatArray, x_N: FloatArray, *, document_N: IntArray, alpha: float) -> Gain | None:
    """Intercept a of P = 1 / (1 + exp(-a - b x)), in log odds; None where it is not finite, or G < 3.

    Newton's method. Documents are numbered from 0.
    """
    design = np.stack([np.ones_like(x_N), x_N], axis=1)
    documents = int(document_N.max()) + 1 if len(document_N) else 0
    if documents < 3 or np.ptp(x_N) == 0 or np.ptp(share_N) == 0:
        return None
    beta = np.zeros(2)
    for _ in range(STEPS):
        fitted_N = 1 / (1 + np.exp(-np.clip(design @ beta, -500, 500)))
        bread = (design * (fitted_N * (1 - fitted_N))[:, None]).T @ design
        if np.linalg.cond(bread) > 1e12:
            # Length alone tells who wins: no finite line fits.
            return None
        step = np.linalg.solve(bread, design.T @ (share_N - fitted_N))
        beta = beta + step
        if float(np.abs(step).max()) < CLOSE:
            break
    else:
        return None
    scores = np.zeros((documents, 2))
    np.add.at(scores, document_N, design * (share_N - fitted_N)[:, None])
    inverse = np.linalg.inv(bread)
    factor = documents / (documents - 1) * (len(x_N) - 1) / (len(x_N) - 2)
    variance = factor * float((inverse @ (scores.T @ scores) @ inverse)[0, 0])
    return bounded(float(beta[0]), se=math.sqrt(variance), df=documents - 1, alpha=alpha)
