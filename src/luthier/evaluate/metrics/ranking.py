"""How well a list of texts, best first, answers a query; and whether likenesses are in the order people gave."""

# Q queries, C candidates, N pairs

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from luthier.evaluate.statistics.clustered import FloatArray

DEPTH = 10
RECALLS = (1, 10, 100)


def ranks_of(score_C: FloatArray, relevant: Sequence[int]) -> list[int]:
    """Rank, from 1, of each relevant candidate; equal scores stand in the order of the candidates."""
    found = []
    for place in relevant:
        before = score_C[:place] >= score_C[place]
        behind = score_C[place + 1 :] > score_C[place]
        found.append(1 + int(before.sum()) + int(behind.sum()))
    return sorted(found)


def ndcg(ranks: Sequence[int], *, depth: int = DEPTH) -> float:
    """Sum of 1 / log2(rank + 1) over relevant texts in the first `depth`, relative to the best possible (Järvelin and
    Kekäläinen 2002, doi:10.1145/582415.582418), with one grade of relevance.
    """
    gained = math.fsum(1 / math.log2(rank + 1) for rank in ranks if rank <= depth)
    ideal = math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(len(ranks), depth) + 1))
    return gained / ideal


def retrieval_scores(ranks: Sequence[int]) -> dict[str, float]:
    """All metrics of one query, given the ranks of what is relevant to it."""
    recalls = {f"recall_{depth}": sum(rank <= depth for rank in ranks) / len(ranks) for depth in RECALLS}
    first = min(ranks)
    return {"ndcg_10": ndcg(ranks), **recalls, "mrr_10": 1 / first if first <= DEPTH else 0.0}


def rank_words(ranks: Sequence[int], first: str) -> str:
    """An answer for people and for `verify`: the ranks, and the text that stands first."""
    return f"{', '.join(map(str, ranks))} | {first}"


def told_ranks(words: str) -> list[int]:
    """The ranks that `rank_words` wrote."""
    return [int(rank) for rank in words.partition(" | ")[0].split(", ")]


def spearman_shares(likeness_N: FloatArray, score_N: FloatArray) -> FloatArray:
    """One number per pair whose mean is Spearman's rank correlation, and whose spread is that of the correlation: [N].

    The correlation r of standardised ranks x and y plus its influence, x y - r (x^2 + y^2) / 2 (Devlin et al. 1975,
    doi:10.1093/biomet/62.3.531); ranks are taken as they are. All zero where all scores, or all likenesses, are equal.
    """
    x_N, y_N = (_standard(rankdata(values)) for values in (likeness_N, score_N))
    if not (x_N.any() and y_N.any()):
        return np.zeros(len(x_N))
    correlation = float((x_N * y_N).mean())
    shares: FloatArray = correlation + x_N * y_N - correlation * (x_N**2 + y_N**2) / 2
    return shares


def _standard(ranks_N: FloatArray) -> FloatArray:
    spread = float(ranks_N.std())
    return (ranks_N - ranks_N.mean()) / spread if spread > 0 else np.zeros(len(ranks_N))
