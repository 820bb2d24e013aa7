"""How much a text belongs to the domain, and how much a question helps its answer."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

WORD = re.compile(r"[^\W\d_]{2,}")


def domain_words(domain: Iterable[str], rest: Iterable[str]) -> dict[str, float]:
    """z-scores of every word's log-odds in the domain against the rest (Monroe, Colaresi and Quinn 2008).

    The prior of a word is its frequency in both together; positive words belong to the domain.
    """
    ours, others = _count(domain), _count(rest)
    total, our_total, other_total = (ours + others).total(), ours.total(), others.total()
    scores = {}
    for word, prior in sorted((ours + others).items()):
        one, two = ours[word] + prior, others[word] + prior
        odds = math.log(one / max(1, our_total + total - one)) - math.log(two / max(1, other_total + total - two))
        scores[word] = odds / math.sqrt(1 / one + 1 / two)
    return scores


def relevance(text: str, *, words: Mapping[str, float]) -> float:
    """Mean z-score of a text's words, 0 for a text without known words; negative texts resemble the rest."""
    known = [words[word] for word in map(str.casefold, WORD.findall(text)) if word in words]
    return sum(known) / len(known) if known else 0.0


def difficulty(given: Sequence[float], alone: Sequence[float]) -> list[float]:
    """IFD of each answer (Li et al. 2023): nats of the answer given its question, by nats of the answer alone.

    From 1 the question does not help. An answer that costs nothing alone scores 0.
    """
    return [helped / unhelped if unhelped > 0 else 0.0 for helped, unhelped in zip(given, alone, strict=True)]


def unhelpful(ids: Sequence[str], scores: Sequence[float]) -> list[tuple[str, float]]:
    """Rows whose question does not help, by `difficulty`, worst first."""
    found = [(one, score) for one, score in zip(ids, scores, strict=True) if score >= 1]
    return sorted(found, key=lambda row: (-row[1], row[0]))


def _count(texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(map(str.casefold, WORD.findall(text)))
    return counts
