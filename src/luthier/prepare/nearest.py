"""Which training question is most like an exam question, and what copying its answer would score."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags

from luthier.errors import UserError

WORD = r"\S+"
FEATURES = 1 << 20
ROWS = 2_000
"""Training rows compared with the whole exam at once."""
LOOK_UP = 0.25
"""Share of the exam that copying may answer before the exam measures nothing else."""
FEWEST_RIGHT = 3
"""Copied answers that are right by coincidence in any small exam."""
FEW_ANSWERS, REPEATS = 20, 10
KNOWN, KNOWN_SHARE = 3, 0.95
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Copied:
    """What the 1-nearest-neighbour baseline scores: each exam item is answered with the answer of the nearest row."""

    items: int
    right: int
    closed: bool
    """True if the answers are a closed set: then copying is a baseline to beat, else a sign of a look-up."""

    @property
    def share(self) -> float:
        """Right answers per item."""
        return self.right / self.items if self.items else 0.0


class Questions:
    """TF-IDF vectors of words, of unit length (Salton and Buckley 1988).

    The inverse document frequency is squared: questions that are worded alike are told apart by the rare words that
    name what they ask about, and other words for the same thing are found by them. (Bench D6: reworded questions have
    cosines above 0.40, other questions with the same answer below 0.25; with plain weights they overlap.)
    """

    def __init__(self, trained: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer  # most of a second that few need

        self._trained = trained
        self._counter = HashingVectorizer(n_features=FEATURES, token_pattern=WORD, norm=None, alternate_sign=False)
        seen = np.zeros(FEATURES)
        for _, batch in self._batches():
            seen += np.bincount(batch.indices, minlength=FEATURES)
        self._weights = (np.log((1 + len(trained)) / (1 + seen)) + 1) ** 2

    def similarities(self, asked: Sequence[str]) -> Iterator[tuple[int, Matrix]]:
        """(number of the first training question, cosine of each asked with each of the next training questions)."""
        wanted = self._weighted(self._counter.transform(asked))
        for start, batch in self._batches():
            yield start, (wanted @ self._weighted(batch).T).toarray()

    def _batches(self) -> Iterator[tuple[int, csr_matrix]]:
        for start in range(0, len(self._trained), ROWS):
            yield start, self._counter.transform(self._trained[start : start + ROWS])

    def _weighted(self, counts: csr_matrix) -> csr_matrix:
        weighted = counts @ diags(self._weights)
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return diags(1 / np.maximum(lengths, np.finfo(float).tiny)) @ weighted


def nearest(asked: Sequence[str], trained: Sequence[str]) -> list[int]:
    """Number of the training question most like each asked one; the first of equals. Both are matching copies."""
    best, where = np.full(len(asked), -1.0), np.zeros(len(asked), dtype=np.int64)
    if asked and trained:
        for start, found in Questions(trained).similarities(asked):
            # Rounded, so that sums in another order cannot change which of two equals is the first.
            rounded = found.round(9)
            place = rounded.argmax(axis=1)
            value = rounded[np.arange(len(asked)), place]
            better = value > best
            best[better], where[better] = value[better], place[better] + start
    return where.tolist()


def copy_baseline(
    asked: Sequence[tuple[str, str]],
    trained: Sequence[tuple[str, str]],
    *,
    is_right: Callable[[str, str], bool] = str.__eq__,
) -> Copied:
    """Answer each exam item with its nearest training answer. Both are (question, answer) as matching copies.

    `is_right(copied, gold)` grades. The answers are a closed set if they are few and repeat: at most 20, or one tenth
    of the training rows, and 95 % of the exam's answers are those of 3 training rows or more.
    """
    answers = [answer for _, answer in trained]
    found = nearest([question for question, _ in asked], [question for question, _ in trained])
    right = sum(is_right(answers[place], gold) for place, (_, gold) in zip(found, asked, strict=True)) if answers else 0
    return Copied(items=len(asked), right=right, closed=_is_closed([gold for _, gold in asked], answers))


def check_copy_baseline(copied: Copied) -> None:
    """Raise UserError if the exam is a look-up: free answers, and copying gets more than 25 % of them right."""
    if copied.closed or copied.right < FEWEST_RIGHT or copied.share <= LOOK_UP:
        return
    raise UserError(
        f"the exam is a look-up: copying the answer of the most similar training question gets {copied.right} of "
        f"{copied.items} items right ({copied.share:.0%}, at most {LOOK_UP:.0%} may be). The same facts stand on both "
        "sides of the split in other words. Name a column that keeps them together in prepare.split.group_by, or "
        "remove the rewordings."
    )


def _is_closed(golds: Sequence[str], answers: Sequence[str]) -> bool:
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    known = sum(counts.get(gold, 0) >= KNOWN for gold in golds)
    return len(counts) <= max(FEW_ANSWERS, len(answers) / REPEATS) and known >= KNOWN_SHARE * len(golds)
