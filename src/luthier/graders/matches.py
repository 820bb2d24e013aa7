"""How an answer in words is compared with the accepted ones."""

import re
import unicodedata
from collections.abc import Iterable

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """NFKC, case-folded, punctuation and English articles stripped, spaces collapsed (after SQuAD, Rajpurkar 2016)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(" " if unicodedata.category(character).startswith("P") else character for character in folded)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def exact_match(text: str, golds: Iterable[str]) -> float:
    """1 if the answer equals an accepted one after normalising, else 0. Text that is all punctuation must be equal."""
    answer = normalise(text)
    return float(any(_equal(text, answer, gold) for gold in golds))


def contains(text: str, golds: Iterable[str]) -> float:
    """1 if an accepted answer stands in the text as whole words after normalising, else 0."""
    answer = f" {normalise(text)} "
    return float(any(f" {wanted} " in answer if (wanted := normalise(gold)) else gold in text for gold in golds))


def label_overlap(text: str, golds: Iterable[str]) -> float:
    """Labels, separated by `;`, that answer and gold share, as a share of those that either has: of the best gold, 0 to
    1 (Jaccard 1912).
    """
    found = split_labels(text)
    return max(_jaccard(found, split_labels(gold)) for gold in golds)


def split_labels(text: str) -> frozenset[str]:
    """The labels of an answer, each normalised; one such as "A" would normalise to nothing, and stays."""
    parts = [part.strip() for part in text.split(";")]
    return frozenset(normalise(part) or part.casefold() for part in parts if part)


def _jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0


def _equal(text: str, answer: str, gold: str) -> bool:
    wanted = normalise(gold)
    # An answer such as "-" or "a" normalises to nothing: then the letters themselves decide.
    return answer == wanted if wanted else text.strip() == gold.strip()
