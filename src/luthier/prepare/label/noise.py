"""Label noise by out-of-fold confident learning: suggestions, never a new label."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luthier.artifacts.canonical import hash_order

FOLDS = 5
FEWEST_ROWS = 5
"""Rows of a class, and groups of all classes, below which nothing can be held out."""
FEATURES = 50_000
ONE_LETTER_TOO = {"token_pattern": r"\w+"}
"""Scikit-learn's own words have two letters at least, which "type 2" and "C" have not."""
MOST_ROWS = 20_000
"""Rows that are looked at; of more, those of the groups with the smallest hashes."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with its label; rows of one group are never on both sides of a fold."""

    id: str
    text: str
    label: str
    group: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose text speaks for another label."""

    id: str
    label: str
    suggestion: str
    confidence: float
    """Out-of-fold probability of the row's own label, 0 to 1."""
    suggested: float
    """Out-of-fold probability of the suggested label, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What confident learning says about a set of labels."""

    suspects: Sequence[Suspect]
    """Least believable first."""
    examined: int
    """Rows that were looked at."""
    why_not: str | None
    """Why nothing could be examined, else None."""


def label_noise(rows: Sequence[Labelled]) -> Noise:
    """Find labels that TF-IDF and logistic regression, trained on other groups, confidently contradict.

    Confident learning (Northcutt, Jiang and Chuang 2021): a row belongs to the likeliest class whose probability
    reaches that class's mean self-confidence; if that is not its label, the label is suspect. Classes of fewer than 5
    rows are passed over.
    """
    counts = Counter(row.label for row in rows)
    chosen = _sample([row for row in rows if counts[row.label] >= FEWEST_ROWS])
    labels = sorted({row.label for row in chosen})
    groups = {row.group for row in chosen}
    if len(labels) < 2 or len(groups) < FEWEST_ROWS:
        reason = f"{len(labels)} labels with {FEWEST_ROWS} rows and {len(groups)} groups are too few to hold rows out"
        return Noise(suspects=[], examined=0, why_not=reason)
    given = np.array([labels.index(row.label) for row in chosen])
    probabilities = out_of_fold(chosen, labels=labels)
    return Noise(_contradicted(chosen, labels, given, probabilities), examined=len(chosen), why_not=None)


def out_of_fold(rows: Sequence[Labelled], *, labels: Sequence[str]) -> np.ndarray:
    """Probabilities [row, label] of every row from a model that saw no row of its group; 0 for unseen labels."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    texts = [row.text for row in rows]
    given = np.array([labels.index(row.label) for row in rows])
    groups = [row.group for row in rows]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    probabilities = np.zeros((len(rows), len(labels)))
    for learnt, held in folds.split(texts, given, groups):
        vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=FEATURES, **ONE_LETTER_TOO)
        known = vectorizer.fit_transform([texts[place] for place in learnt])
        if len(set(given[learnt])) < 2 or not len(held):
            continue
        model = LogisticRegression(C=10, max_iter=300).fit(known, given[learnt])
        unknown = vectorizer.transform([texts[place] for place in held])
        probabilities[np.ix_(held, model.classes_)] = model.predict_proba(unknown)
    return probabilities


def _contradicted(
    rows: Sequence[Labelled], labels: Sequence[str], given: np.ndarray, probabilities: np.ndarray
) -> list[Suspect]:
    own = probabilities[np.arange(len(rows)), given]
    thresholds = np.array([own[given == label].mean() for label in range(len(labels))])
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    best = confident.argmax(axis=1)
    suspects = [
        Suspect(row.id, row.label, labels[best[place]], float(own[place]), float(probabilities[place, best[place]]))
        for place, row in enumerate(rows)
        if confident[place, best[place]] > own[place] and best[place] != given[place]
    ]
    return sorted(suspects, key=lambda one: (one.confidence - one.suggested, one.id))


def _sample(rows: Sequence[Labelled]) -> list[Labelled]:
    """Rows in an order of their own, whole groups up to the limit, so that the order given changes nothing."""
    by_hash = sorted(rows, key=lambda row: (hash_order(row.group), row.id))
    return by_hash[:MOST_ROWS]
