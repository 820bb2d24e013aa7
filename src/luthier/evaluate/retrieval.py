"""BM25: which texts share words with a query, rare words counting more."""

# N texts

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray, IntArray

K1, B = 1.2, 0.75
WORD = re.compile(r"\w+")


def words_in(text: str) -> list[str]:
    """The words of a text, whatever their case."""
    return WORD.findall(text.casefold())


class WordIndex:
    """Texts by their words (Robertson and Zaragoza 2009, doi:10.1561/1500000019, with the idf of Lucene).

    `asked`: the only words that queries will hold, so that the index of many texts stays small.
    """

    def __init__(self, texts: Iterable[str], *, asked: Collection[str] | None = None) -> None:
        lengths = array("Q")
        # Flat pairs of a text's place and how often it holds the word.
        self._postings: dict[str, array[int]] = defaultdict(lambda: array("I"))
        for place, text in enumerate(texts):
            count = Counter(words_in(text))
            lengths.append(count.total())
            for word in count if asked is None else count.keys() & asked:
                self._postings[word].extend((place, count[word]))
        sizes = np.array(lengths, dtype=np.float64)
        self._damping = K1 * (1 - B + B * sizes / max(1.0, float(sizes.mean()) if len(sizes) else 0.0))

    def scores(self, query: str) -> FloatArray:
        """Sum over the query's words of ln(1 + (N - df + .5) / (df + .5)) tf (k1 + 1) / (tf + damping): [N]."""
        found = np.zeros(len(self._damping))
        for word in words_in(query):
            if word in self._postings:
                places, times = np.frombuffer(self._postings[word], dtype=np.uint32).reshape(-1, 2).T
                rarity = math.log1p((len(found) - len(places) + 0.5) / (len(places) + 0.5))
                found[places] += rarity * times * (K1 + 1) / (times + self._damping[places])
        return found

    def nearest(self, query: str, *, count: int) -> IntArray:
        """Places of the texts that share most with the query, the best first; of equal ones the earlier. [<= count]"""
        score_N = self.scores(query)
        order: IntArray = np.argsort(-score_N, kind="stable")[:count]
        return order
