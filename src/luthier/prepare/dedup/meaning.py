"""Texts that may say the same in other words: a report for people, nothing is removed by it."""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from luthier.artifacts.canonical import hash_order
from luthier.prepare.dedup.candidates import NearPair

ALIKE = 0.9
DIMENSIONS = 100
MOST = 20_000
"""Texts compared with each other; of more, those with the smallest hashes."""
HELD = 0.85
"""Share of a text's TF-IDF vector, by length, that the dimensions must hold."""
ROWS = 1_000
SHOWN = 1_000


def alike_in_meaning(copies: Sequence[str], *, least: float = ALIKE, most: int = MOST) -> list[NearPair]:
    """Pairs of matching copies with cosine >= `least` (in `jaccard`'s place), the most alike first, at most 1,000.

    Latent semantic analysis (Deerwester et al. 1990): TF-IDF vectors of words in at most 100 dimensions. A text of
    which they hold less than `HELD` is alike to none: what sets it apart is lost ("rabies" and "yaws, unspecified").
    """
    chosen = sorted(sorted(range(len(copies)), key=lambda place: hash_order(copies[place]))[:most])
    vectors = _vectors([copies[place] for place in chosen])
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(vectors), ROWS):
        # Rounded, so that sums in another order change neither the order nor who is listed.
        cosines = (vectors[start : start + ROWS] @ vectors[start:].T).round(6)
        for row, column in np.argwhere(np.triu(cosines, k=1) >= least).tolist():
            found.append((-float(cosines[row, column]), chosen[start + row], chosen[start + column]))
        found = sorted(found)[:SHOWN]
    return [NearPair(a, b, -cosine) for cosine, a, b in found]


def _vectors(copies: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if len({word for copy in copies for word in copy.split()}) < 2 or len(copies) < 2:
        return np.zeros((0, 1))
    weighted = TfidfVectorizer(token_pattern=None, tokenizer=str.split, lowercase=False).fit_transform(copies)
    dimensions = min(DIMENSIONS, min(weighted.shape) - 1)
    reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(weighted)
    lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
    # Before it was reduced, every vector had length 1.
    vectors: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = reduced / np.maximum(lengths, HELD) * (lengths >= HELD)
    return vectors
