"""Answers that went wrong when they were written: echoes of the question, and answers that stop inside a word."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

from luthier.prepare.clean.rules import UNSPACED
from luthier.prepare.clean.texts import CleanInput

WORD = re.compile(r"[^\W\d_]+")
PLAIN = re.compile(r"\w+")
LAST_WORD = re.compile(rf"[^\W\d_{UNSPACED}]+\Z")
MIN_WORDS = 8
"""Shorter answers are codes, names and labels: they end as they like."""
CONVENTION = 0.9
"""Share of a source's answers that end a sentence, from which an answer that does not is suspect."""
PROSE = 0.5
"""Below this share the answers are no prose, and how they end says nothing."""
LIKELIER = 0.5


def echoes(question: str, answer: str, *, characters: int) -> float:
    """Share of the answer, 0 to 1, that is the whole question, if it begins the answer or makes up half of it; else 0.

    Questions of fewer `characters` may be restated.
    """
    asked, said = (" ".join(PLAIN.findall(text.casefold())) for text in (question, answer))
    if len(asked) < characters or asked not in said:
        return 0.0
    share = len(asked) / len(said)
    return share if said.startswith(asked) or share >= LIKELIER else 0.0


class Endings:
    """How words and answers end in a corpus."""

    def __init__(self, texts: Sequence[CleanInput]) -> None:
        self._counts: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        for one in texts:
            self._counts.update(_words(one.text))
            answer = one.answer or ""
            last = _open_end(answer)
            # What may be cut off must not vouch for itself.
            self._counts.update(_words(answer[: len(answer) - len(last)]))
            if _is_long(answer):
                judged[one.source] += 1
                ended[one.source] += not last
        self._sources = {source: ended[source] / judged[source] for source in judged}
        self._words = sorted(self._counts)
        self._sums = list(accumulate((self._counts[word] for word in self._words), initial=0))

    def cut_off(self, one: CleanInput) -> float:
        """How likely the answer stops inside a word, 0 to 1: the share of longer words that begin with its last one.

        0 unless other answers of the source end their sentences, or the last word stands nowhere else.
        """
        answer = one.answer or ""
        last = _open_end(answer).casefold()
        ended = self._sources.get(one.source, 0.0)
        if not last or not _is_long(answer) or ended < PROSE:
            return 0.0
        whole = self._counts[last]
        longer = self._beginning(last) - whole
        if whole == 0:
            return 1.0 if longer or ended >= CONVENTION else 0.0
        share = longer / (longer + whole)
        return share if ended >= CONVENTION and share >= LIKELIER else 0.0

    def _beginning(self, start: str) -> int:
        """Occurrences of all words that begin so."""
        return self._sums[bisect_left(self._words, start + "\U0010ffff")] - self._sums[bisect_left(self._words, start)]


def _open_end(answer: str) -> str:
    """The last word of an answer that ends in the middle of a line of letters, else nothing."""
    found = LAST_WORD.search(answer, max(0, len(answer) - 40))
    return found[0] if found else ""


def _words(text: str) -> Iterable[str]:
    return map(str.casefold, WORD.findall(text))


def _is_long(answer: str) -> bool:
    return len(answer.split(None, MIN_WORDS)) > MIN_WORDS - 1
