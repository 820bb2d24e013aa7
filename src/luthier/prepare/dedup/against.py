"""Near-duplicates of few known texts among many that pass by: memory is bounded by the few."""

from collections.abc import Sequence

import numpy as np

from luthier.prepare.dedup.candidates import LINKS, NearPair
from luthier.prepare.dedup.signature import BANDS, jaccard_of, sign


class NearIndex:
    """Matching copies that others are compared with."""

    def __init__(self, copies: Sequence[str], *, threshold: float = LINKS) -> None:
        self._threshold = threshold
        self._signed = sign(copies) if copies else None
        if self._signed is not None:
            self._orders = np.argsort(self._signed.keys, axis=1)
            self._keys = np.take_along_axis(self._signed.keys, self._orders, axis=1)

    def near(self, copies: Sequence[str]) -> list[NearPair]:
        """Known (`a`) and passing (`b`) texts with Jaccard similarity >= the threshold, in order, by their numbers.

        As in `near_pairs`, short texts whose numbers, codes or one-letter words differ are no pair; equal texts are.
        """
        known = self._signed
        if known is None or not copies:
            return []
        passing = sign(copies)
        found: dict[tuple[int, int], float] = {}
        pairs = np.array(sorted(self._candidates(passing.keys)), dtype=np.int64).reshape(-1, 2)
        clash = known.codes.of(pairs[:, 0]).clash(passing.codes.of(pairs[:, 1]))
        for a, b in pairs[~clash].tolist():
            jaccard = jaccard_of(known.shingles.of(a), passing.shingles.of(b))
            if jaccard >= self._threshold:
                found[a, b] = jaccard
        return [NearPair(a, b, jaccard) for (a, b), jaccard in found.items()]

    def _candidates(self, keys: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> set[tuple[int, int]]:
        pairs: set[tuple[int, int]] = set()
        for band in range(BANDS):
            starts, ends = (np.searchsorted(self._keys[band], keys[band], side=side) for side in ("left", "right"))
            for b in np.flatnonzero(ends > starts).tolist():
                pairs |= {(a, b) for a in self._orders[band, starts[b] : ends[b]].tolist()}
        return pairs
