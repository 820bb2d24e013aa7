"""Rows that mean something else than the rest: far from their nearest neighbours."""

from collections.abc import Mapping

import numpy as np

from luthier.artifacts.canonical import hash_order
from luthier.prepare.clean.quality import robust_z

NEIGHBOURS = 10
DIMENSIONS = 64
FEATURES = 20_000
MOST = 20_000
"""Rows that are looked at; of more, those with the smallest hashes."""
DISTANCES = 64
"""MiB of distances held at once."""
FEWEST = 50
"""Rows below which nothing is far from everything."""


def meaning_outliers(texts: Mapping[str, str], *, share: float, z: float) -> list[tuple[str, float, float]]:
    """Row id, mean cosine distance to the 10 nearest rows, and its robust z, in TF-IDF space reduced by SVD.

    At most `share` of the rows are named, the farthest first.
    """
    from sklearn import config_context
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    ids = sorted(sorted(texts, key=hash_order)[:MOST])
    if len(ids) < FEWEST:
        return []
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=FEATURES, dtype=np.float64)
    try:
        sparse = vectorizer.fit_transform(texts[one] for one in ids)
    except ValueError:
        # No word stands in two rows: there is no meaning to compare.
        return []
    size = min(DIMENSIONS, sparse.shape[1] - 1, len(ids) - 1)
    if size < 2:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):  # rows that are all alike have no variance to explain
        dense = normalize(TruncatedSVD(size, random_state=0).fit_transform(sparse))
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute", metric="cosine").fit(dense)
    with config_context(working_memory=DISTANCES):
        distances = nearest.kneighbors(dense)[0][:, 1:].mean(axis=1)
    far = zip(ids, distances.tolist(), robust_z(distances).tolist(), strict=True)
    named = sorted((row for row in far if row[2] >= z), key=lambda row: (-row[2], row[0]))
    return named[: int(share * len(ids))]
