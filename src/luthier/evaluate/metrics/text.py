"""How an answer in words is compared with the accepted ones, and what a text costs a model."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from luthier.evaluate.statistics.clustered import FloatArray
from luthier.graders.matches import normalise

CHRF_ORDER = 6
"""Longest n-gram of characters that chrF compares."""
CHRF_BETA = 2.0
"""How many times recall weighs as much as precision."""
_WORD = re.compile(r"[^\W_]+")


def spell_labels(labels: Iterable[str]) -> str:
    """Several labels, or none, as one answer."""
    return "; ".join(sorted(labels))


def token_f1(text: str, golds: Iterable[str]) -> float:
    """F1 of the words shared with the best gold, each as often as in both; two empty ones agree (Rajpurkar 2016)."""
    words = Counter(normalise(text).split())
    return max(_f1(words, Counter(normalise(gold).split())) for gold in golds)


def rouge_l(text: str, golds: Iterable[str]) -> float:
    """F1 of the longest common subsequence of words with the best gold, no stemming; ROUGE-L, Lin (2004)."""
    words = _words(text)
    return max(_rouge_l(words, _words(gold)) for gold in golds)


def chrf(text: str, golds: Iterable[str]) -> float:
    """chrF against the best gold in [0, 1]: F2 of shared n-grams of 1 to 6 characters, no spaces; Popović (2015)."""
    return float(corpus_chrf(np.array(chrf_counts(text, golds), dtype=np.float64)))


def chrf_counts(text: str, golds: Iterable[str]) -> list[int]:
    """n-grams of the answer, of the gold, and of both, for n = 1 .. 6, against the gold with the best chrF. [18]"""
    mine = _ngrams(text)
    counts = [_overlaps(mine, _ngrams(gold)) for gold in golds]
    return max(counts, key=lambda found: float(corpus_chrf(np.array(found, dtype=np.float64))))


def corpus_chrf(counts: FloatArray) -> FloatArray:
    """chrF in [0, 1] of summed `chrf_counts` [..., 18] -> [...]; orders that one side lacks are left out."""
    split = counts.reshape(*counts.shape[:-1], CHRF_ORDER, 3)
    mine, gold, both = split[..., 0], split[..., 1], split[..., 2]
    exists = (mine > 0) & (gold > 0)
    orders = np.maximum(exists.sum(axis=-1), 1)
    precision, recall = (
        np.divide(both, side, out=np.zeros_like(both), where=exists).sum(axis=-1) / orders for side in (mine, gold)
    )
    weight = CHRF_BETA**2
    whole = weight * precision + recall
    score: FloatArray = np.divide((1 + weight) * precision * recall, whole, out=np.zeros_like(whole), where=whole > 0)
    return score


def bits_per_byte(nats: float, size: int) -> float:
    """nats / (ln 2 x UTF-8 bytes): what a text costs, whatever the tokenizer; the end token adds nats, no bytes."""
    return nats / (math.log(2) * size)


def _f1(mine: Counter[str], gold: Counter[str]) -> float:
    if not mine or not gold:
        return float(mine == gold)
    return 2 * (mine & gold).total() / (mine.total() + gold.total())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _rouge_l(mine: Sequence[str], gold: Sequence[str]) -> float:
    shared = _longest_common(mine, gold)
    return 2 * shared / (len(mine) + len(gold)) if shared else 0.0


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, one bit per word of `first`; Hyyrö (2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        match = row & places.get(word, 0)
        row = (row + match | row - match) & every
    return len(first) - row.bit_count()


def _ngrams(text: str) -> list[Counter[str]]:
    line = "".join(text.split())
    return [Counter(line[place : place + n] for place in range(len(line) - n + 1)) for n in range(1, CHRF_ORDER + 1)]


def _overlaps(mine: Sequence[Counter[str]], gold: Sequence[Counter[str]]) -> list[int]:
    pairs = zip(mine, gold, strict=True)
    # As in sacrebleu, n-grams of an order that the gold is too short for are not held against the answer.
    return [
        count for one, other in pairs for count in (one.total() if other else 0, other.total(), (one & other).total())
    ]
