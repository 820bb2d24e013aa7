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


def _equal(text: str, answer: str, gold: str) -> bool:
    wanted = normalise(gold)
    # An answer such as "-" or "a" normalises to nothing: then the letters themselves decide.
    return answer == wanted if wanted else text.strip() == gold.strip()
