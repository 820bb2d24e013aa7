"""BM25: which texts share words with a query, rare words counting more."""

# N texts

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray

K1, B = 1.2, 0.75
WORD = re.compile(r"\w+")


class WordIndex:
    """Texts by their words (Robertson and Zaragoza 2009, doi:10.1561/1500000019, with the idf of Lucene)."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(WORD.findall(text.casefold())) for text in texts]
        lengths = np.array([count.total() for count in counts], dtype=np.float64)
        self._damping = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean())))
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for word, times in count.items():
                self._postings[word].append((place, times))

    def scores(self, query: str) -> FloatArray:
        """Sum over the query's words of ln(1 + (N - df + .5) / (df + .5)) tf (k1 + 1) / (tf + damping): [N]."""
        found = np.zeros(len(self._damping))
        for word in WORD.findall(query.casefold()):
            if word in self._postings:
                places, times = np.array(self._postings[word]).T
                rarity = math.log1p((len(found) - len(places) + 0.5) / (len(places) + 0.5))
                found[places] += rarity * times * (K1 + 1) / (times + self._damping[places])
        return found
