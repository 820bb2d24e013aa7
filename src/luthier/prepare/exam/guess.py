"""Guessing: what somebody gets right who sees the options of a question and nothing else."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from luthier.artifacts.canonical import hash_order
from luthier.prepare.exam.passage import Rarity
from luthier.prepare.exam.question import Question

GUESSED = 0.6
"""Probability of the right option from which a question is solved by guessing."""
FOLDS = 5
FEWEST_DOCUMENTS = 2 * FOLDS
"""With fewer nothing can be learnt from the others."""
FEATURES = 1 << 12
DIGITS = 6
"""Of a probability: what sums in another order change is behind them."""
Floats = NDArray[np.float64]


def guessed(questions: Sequence[Question], rarity: Rarity) -> list[float] | None:
    """Probability of each question's right option by logistic regression on length, rarity, shape and letters.

    Cross-fitted by document: each is guessed by what the options of other documents' questions tell. None if there are
    fewer than 10 documents, or a question without options.
    """
    folds = _folds(questions)
    if len(set(folds.tolist())) < FOLDS or not all(one.options for one in questions):
        return None
    from sklearn.linear_model import LogisticRegression  # most of a second that few need

    owners = np.array([number for number, one in enumerate(questions) for _ in one.options])
    gold = np.array([option == one.gold for one in questions for option in one.options])
    features = _features(questions, rarity)
    scores = np.zeros(len(owners))
    for fold in range(FOLDS):
        inside = folds[owners] == fold
        model = LogisticRegression(C=1.0, max_iter=1_000).fit(features[~inside], gold[~inside])
        scores[inside] = model.decision_function(features[inside])
    likely = np.exp(scores - scores.max())
    shares = likely / np.bincount(owners, weights=likely)[owners]
    return [round(float(share), DIGITS) for share in shares[gold]]


def _folds(questions: Sequence[Question]) -> NDArray[np.int64]:
    """Fold of every question: documents in turn, in an order drawn by hash."""
    names = sorted({one.passage.document for one in questions}, key=hash_order)
    if len(names) < FEWEST_DOCUMENTS:
        return np.zeros(len(questions), dtype=np.int64)
    places = {name: place % FOLDS for place, name in enumerate(names)}
    return np.array([places[one.passage.document] for one in questions], dtype=np.int64)


def _features(questions: Sequence[Question], rarity: Rarity) -> csr_matrix:
    """Of every option of every question: n-grams of letters, and against the other options length, rarity, capitals and
    digits.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    texts = [option for one in questions for option in one.options]
    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), n_features=FEATURES, norm="l2")
    blocks = [_against_others([_shape(option, rarity) for option in one.options]) for one in questions]
    return csr_matrix(hstack([letters.transform(texts), csr_matrix(np.concatenate(blocks))]))


def _shape(option: str, rarity: Rarity) -> list[float]:
    size = max(1, len(option))
    capitals, digits = sum(map(str.isupper, option)), sum(map(str.isdigit, option))
    return [np.log(size), np.log1p(rarity.of(option)), capitals / size, digits / size, float(len(option.split()))]


def _against_others(shapes: Sequence[Sequence[float]]) -> Floats:
    values = np.array(shapes, dtype=np.float64)
    found: Floats = np.concatenate([values - values.mean(axis=0), values == values.max(axis=0)], axis=1)
    return found
