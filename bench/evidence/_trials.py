"""Made-up exams, thousands at once: items whose documents share an effect, and the figures that the product gives them.

A latent number per item, sqrt(rho) of its document's and sqrt(1 - rho) of its own, is cut at both ends: above, only the
tuned model is right, below, only the other. The cuts give the share of differing items (psi) and the true gain exactly,
and rho is solved so that the differences of two items of one document correlate by ICC.
"""

# R runs, N items, G documents, K tasks

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit
from scipy.stats import exponnorm, norm

from luthier.evaluate.compare import FEW
from luthier.evaluate.statistics.binary import tango
from luthier.evaluate.statistics.clustered import Sums, degrees_of_freedom, document_errors
from luthier.evaluate.statistics.power import design_effect
from luthier.evaluate.statistics.swap import over_patterns

PER_DOCUMENT = 5
NUMBERS_AT_ONCE = 1 << 18
RUNS_PER_SIZES = 100
"""Uneven sizes are drawn anew so often."""
TASKS = (6, 10)
"""Documents of the second and third task; the first is in all of them."""


@dataclass(frozen=True)
class Cell:
    """One kind of exam."""

    documents: int
    icc: float
    psi: float
    sizes: str = "equal"
    """equal; uneven: log-normal, none above a quarter; tasks: three, in all, 6 and 10 documents."""
    skewed: bool = False
    """Document effects are exponential, with the long tail among losses: the side on which wins are found too often."""
    gain: float = 0.0
    per_document: int = PER_DOCUMENT

    def words(self) -> list[object]:
        """What a row keeps of it."""
        return [self.documents, self.icc, self.psi, self.sizes, *(["skewed"] if self.skewed else [])]

    @cached_property
    def rho(self) -> float:
        """Correlation of latent numbers that makes the differences correlate by ICC."""
        if self.icc == 0:
            return 0.0
        variance = self.psi - self.gain**2
        return float(brentq(lambda rho: self._covariance(rho) / variance - self.icc, 1e-6, 0.999, xtol=1e-6))

    def cuts(self, rho: float) -> tuple[float, float]:
        """Below the first number the item is lost, above the second it is won."""
        shares = (self.psi - self.gain) / 2, 1 - (self.psi + self.gain) / 2
        if not self.skewed:
            return norm.ppf(shares[0]), norm.ppf(shares[1])
        own = math.sqrt(1 - rho)
        latent = exponnorm(max(math.sqrt(rho), 1e-9) / own, loc=-math.sqrt(rho), scale=own)
        return -latent.ppf(1 - shares[0]), -latent.ppf(1 - shares[1])

    def _covariance(self, rho: float) -> float:
        """Variance over documents of the mean difference, by quantiles of the document effect."""
        quantile = (np.arange(4000) + 0.5) / 4000
        effect = 1 + np.log1p(-quantile) if self.skewed else norm.ppf(quantile)
        low, high = self.cuts(rho)
        shift, own = math.sqrt(rho) * effect, math.sqrt(1 - rho)
        mean = ndtr((shift - high) / own) - ndtr((low - shift) / own)
        return float(np.var(mean))


@dataclass(frozen=True)
class Exams:
    """Exams with the same numbers of items."""

    sums: Sums
    won_R: np.ndarray
    """Weighted share of items won."""
    lost_R: np.ndarray

    @property
    def value_R(self) -> np.ndarray:
        """Measured gains."""
        return self.sums.shares.sum(axis=-1)

    @cached_property
    def differing_R(self) -> np.ndarray:
        """Documents that were answered differently."""
        return (self.sums.shares != 0).sum(axis=-1)

    def bounds(self, alpha: float, *, around: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds as `compare.bound_gain` gives them.

        Tango's wider ones are worked out only where the others leave `around` outside: elsewhere they change nothing
        that is counted.
        """
        first = Sums(self.sums.items, self.sums.sums[0], self.sums.weights)
        df = degrees_of_freedom(first)
        reach_R = float(stdtrit(df, 1 - alpha)) * np.sqrt((document_errors(self.sums) ** 2).sum(axis=-1))
        low_R, high_R = self.value_R - reach_R, self.value_R + reach_R
        n_K = self.sums.items.sum(axis=0)
        effect = design_effect(n_K.sum(), len(self.sums.items))
        n = 1 / (effect * float((self.sums.weights**2 / n_K).sum()))
        outside_R = (low_R > around) | (high_R < around)
        for run in np.flatnonzero((self.differing_R < FEW) & outside_R):
            wider = tango(float(n * self.won_R[run]), float(n * self.lost_R[run]), n=n, alpha=alpha)
            low_R[run], high_R[run] = min(low_R[run], wider.low), max(high_R[run], wider.high)
        return low_R, high_R

    def significant(self, alpha: float) -> np.ndarray:
        """Low > 0 and p <= alpha by the swap test, which is run only where low > 0."""
        low_R, _ = self.bounds(alpha, around=0.0)
        found_R = low_R > 0
        if found_R.any():
            shares_RG = self.sums.shares[found_R]
            found_R[found_R] = swap_p(shares_RG, alpha=alpha) <= alpha
        return found_R


def swap_p(shares_RG: np.ndarray, *, alpha: float) -> np.ndarray:
    """`swap_test(..., seed=0).p` of every run, all under the same sign patterns."""
    observed_R = shares_RG.sum(axis=1)
    tolerance_R = 1e-12 * np.abs(shares_RG).sum(axis=1)

    def at_least(keep: np.ndarray) -> np.ndarray:
        flipped = 2 * (keep @ shares_RG.T) - observed_R
        return (flipped >= observed_R - tolerance_R).sum(axis=0)

    return over_patterns(shares_RG.shape[1], at_least, alpha=alpha, seed=0).p


def exams(cell: Cell, *, runs: int, random: np.random.Generator) -> Iterator[Exams]:
    """Exams of one kind, in blocks."""
    left = runs
    low, high = cell.cuts(cell.rho)
    while left:
        items_GK = draw_sizes(cell, random)
        block = min(left, RUNS_PER_SIZES if cell.sizes == "uneven" else max(1, NUMBERS_AT_ONCE // int(items_GK.sum())))
        # Items lie document by document and in it task by task.
        places = np.repeat(np.arange(items_GK.size), items_GK.ravel())
        latent = latents(cell, places // items_GK.shape[1], runs=block, random=random)
        won, lost = (_by_place(side, items_GK) for side in (latent > high, latent < low))
        weights = np.full(items_GK.shape[1], 1 / items_GK.shape[1])
        share = weights / items_GK.sum(axis=0)
        yield Exams(
            Sums(items_GK.astype(float), won - lost, weights),
            (won.sum(axis=1) * share).sum(axis=-1),
            (lost.sum(axis=1) * share).sum(axis=-1),
        )
        left -= block


def latents(cell: Cell, document_N: np.ndarray, *, runs: int, random: np.random.Generator) -> np.ndarray:
    """Latent numbers of items that lie in these documents [R, N]."""
    shape = runs, cell.documents
    effect = 1 - random.exponential(size=shape) if cell.skewed else random.normal(size=shape)
    own = math.sqrt(1 - cell.rho) * random.normal(size=(runs, len(document_N)))
    return own + math.sqrt(cell.rho) * effect[:, document_N]


def draw_sizes(cell: Cell, random: np.random.Generator) -> np.ndarray:
    """Numbers of items [G, K]."""
    if cell.sizes == "equal":
        return np.full((cell.documents, 1), cell.per_document)
    if cell.sizes == "tasks":
        sizes = np.zeros((cell.documents, 1 + len(TASKS)), dtype=np.int64)
        for task, documents in enumerate((cell.documents, *TASKS)):
            sizes[:documents, task] = cell.per_document
        return sizes
    while True:
        sizes = np.maximum(
            1, np.rint(cell.per_document * random.lognormal(-0.32, 0.8, cell.documents)).astype(np.int64)
        )
        while sizes.max() > sizes.sum() // 4:
            sizes = np.minimum(sizes, sizes.sum() // 4)
        if sizes.sum() >= 30:
            return sizes[:, None]


def _by_place(hit_RN: np.ndarray, items_GK: np.ndarray) -> np.ndarray:
    """Hits per document and task [R, G, K]."""
    counts = items_GK.ravel()
    starts = (np.cumsum(counts) - counts)[counts > 0]
    sums = np.zeros((len(hit_RN), items_GK.size))
    sums[:, counts > 0] = np.add.reduceat(hit_RN, starts, axis=1, dtype=np.float64)
    return sums.reshape(len(hit_RN), *items_GK.shape)
