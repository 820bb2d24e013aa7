"""The next token of every row: greedy, or drawn with the row's own random numbers."""

# B rows, V vocabulary

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from luthier.models.engines.engine import Sampling

BLOCK = 512
"""Chances are summed by blocks first: a running sum over a whole vocabulary takes longer than the drawing."""
SMALLEST = 1e-38
"""Chance that a drawn token is taken to have had at least, relative to the likeliest's."""


class Chooser:
    """Chooses the tokens of one row; its draws depend on the seed alone, not on other rows."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self.logp: list[float] = []
        """Of every token that was drawn, by the distribution that it was drawn from."""
        self._random = np.random.default_rng(sampling.seed)

    def draw(self, logits_V: NDArray[np.float32]) -> int:
        """One token by temperature and nucleus sampling (Holtzman et al. 2020, arXiv:1904.09751)."""
        chances_V = np.exp((logits_V - logits_V.max()) / self.sampling.temperature)
        if self.sampling.top_p < 1:
            order = np.argsort(-chances_V, kind="stable")
            ordered = chances_V[order].astype(np.float64)
            before = np.cumsum(ordered) - ordered
            chances_V[order[before >= self.sampling.top_p * ordered.sum()]] = 0
        blocks = np.add.reduceat(chances_V, np.arange(0, len(chances_V), BLOCK)).astype(np.float64)
        sums = np.cumsum(blocks)
        wanted = self._random.random() * sums[-1]
        block = int(np.searchsorted(sums[:-1], wanted, side="right"))
        inside = np.cumsum(chances_V[block * BLOCK : (block + 1) * BLOCK], dtype=np.float64)
        place = int(np.searchsorted(inside[:-1], wanted - (sums[block] - blocks[block]), side="right"))
        token = block * BLOCK + place
        # By rounding, a token of no chance can be met at the end of a block.
        self.logp.append(math.log(max(float(chances_V[token]), SMALLEST) / float(sums[-1])))
        return token


def choose(logits_BV: Tensor, choosers: Sequence[Chooser]) -> list[int]:
    """One token per row of float32 logits."""
    rows: NDArray[np.float32] = logits_BV.numpy()  # numpy finds the largest of a row 20 times faster
    tokens: list[int] = rows.argmax(axis=-1).tolist()
    for place, chooser in enumerate(choosers):
        if chooser.sampling.temperature > 0:
            tokens[place] = chooser.draw(rows[place])
    return tokens
