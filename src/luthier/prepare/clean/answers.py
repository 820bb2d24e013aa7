"""Answers that went wrong when they were written: echoes of the question, and answers that stop inside a word."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from luthier.prepare.clean.rules import UNSPACED
from luthier.prepare.clean.texts import CleanInput

WORD = re.compile(r"[^\W\d_]+")
PLAIN = re.compile(r"\w+")
CLOSING = re.compile(r"(?<![^\W\d_])([^\W\d_]++)[)\]}\"'”’»]*(?:[.!?:;。！？](?:\s|\Z)|\n\s*\n|\Z)")
"""Words that end a sentence or a paragraph."""
LAST_WORD = re.compile(rf"(?:\A|[\s(\[{{\"'“‘«])([^\W\d_{UNSPACED}]+)\Z")
MIN_WORDS = 8
"""Shorter answers are codes, names and labels: they end as they like."""
CONVENTION = 0.8
"""Share of a source's answers that end a sentence, from which an answer that does not is suspect."""
PROSE = 0.5
"""Below this share the answers are no prose, and how they end says nothing."""
BEGINS = 0.7
"""A last word is a piece if words that begin with it are this share of it and them."""
FREQUENT, NEVER_LAST = 100, 0.99
"""A last word that stands so often in texts, and so rarely last in a sentence, lacks what follows it: "of", "the"."""
PAIRS = ("()", "[]", "{}", "“”", "«»")
HALF = 0.5


def echoes(question: str, answer: str, *, characters: int) -> float:
    """Share of the answer, 0 to 1, that is the whole question, if it begins the answer or makes up half of it; else 0.

    Questions of fewer `characters` may be restated.
    """
    asked, said = (" ".join(PLAIN.findall(text.casefold())) for text in (question, answer))
    if len(asked) < characters or asked not in said:
        return 0.0
    share = len(asked) / len(said)
    return share if said.startswith(asked) or share >= HALF else 0.0


class Endings:
    """How words and answers end in a corpus."""

    def __init__(self, texts: Sequence[CleanInput]) -> None:
        self._counts: Counter[str] = Counter()
        self._closing: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        for one in texts if any(one.answer for one in texts) else ():
            self._counts.update(map(str.casefold, WORD.findall(one.text)))
            if one.answer is None:
                continue
            answer = one.answer
            last = _open_end(answer)
            # What may be cut off must not vouch for itself.
            vouched = answer[: len(answer) - len(last)]
            self._counts.update(map(str.casefold, WORD.findall(vouched)))
            self._closing.update(map(str.casefold, CLOSING.findall(vouched)))
            if _is_long(answer):
                judged[one.source] += 1
                ended[one.source] += not last
        self._sources = {source: ended[source] / judged[source] for source in judged}
        self._words = sorted(self._counts)
        self._sums = list(accumulate((self._counts[word] for word in self._words), initial=0))

    def cut_off(self, one: CleanInput) -> float:
        """How likely an answer of `MIN_WORDS` or more stops inside a word or sentence, 0 to 1; 0 if it does not.

        Its last word stands nowhere else; or, where answers end their sentences, a bracket is open, the last word is
        mostly the beginning of longer words, or no sentence ends with it.
        """
        answer = one.answer or ""
        last = _open_end(answer).casefold()
        ended = self._sources.get(one.source, 0.0)
        if not answer[-1:].isalnum() or not _is_long(answer) or ended < PROSE:
            return 0.0
        if ended >= CONVENTION and _is_unclosed(answer):
            return 1.0
        return self._broken_off(last, ended=ended) if last else 0.0

    def _broken_off(self, last: str, *, ended: float) -> float:
        whole = self._counts[last]
        longer = self._beginning(last) - whole
        if whole == 0:
            return 1.0 if longer or ended >= CONVENTION else 0.0
        if ended < CONVENTION:
            return 0.0
        begins, inside = longer / (longer + whole), 1 - self._closing[last] / whole
        if whole >= FREQUENT and inside >= NEVER_LAST:
            return inside
        return begins if begins >= BEGINS else 0.0

    def _beginning(self, start: str) -> int:
        """Occurrences of all words that begin so."""
        first, beyond = bisect_left(self._words, start), bisect_left(self._words, start + "\U0010ffff")
        return self._sums[beyond] - self._sums[first]


def _open_end(answer: str) -> str:
    """The last word of an answer that ends with a word of nothing but letters, else nothing."""
    found = LAST_WORD.search(answer, max(0, len(answer) - 40))
    return found[1] if found else ""


def _is_unclosed(answer: str) -> bool:
    """True if the last paragraph opens a bracket, or a span of code, that it does not close."""
    last = answer[answer.rfind("\n\n") + 1 :]
    return last.count("`") % 2 == 1 or any(last.count(pair[0]) > last.count(pair[1]) for pair in PAIRS)


def _is_long(answer: str) -> bool:
    return len(answer.split(None, MIN_WORDS)) > MIN_WORDS - 1
