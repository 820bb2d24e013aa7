"""`path#500` and `path#5%`: a part of a source, the same on any machine and for any number of workers.

What is kept has the smallest hashes of (seed, content), so another file or row changes the rest as little as possible.
"""

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import xxhash

NAME = re.compile(r"(?P<path>.+)#(?P<amount>\d+(?:\.\d+)?)(?P<percent>%?)")
ALL = 1 << 64


@dataclass(frozen=True, slots=True)
class Sample:
    """How much of a source is kept: so many, or a share."""

    count: int | None = None
    share: float | None = None
    """Above 0, at most 1."""

    def __str__(self) -> str:
        return f"{self.count}" if self.count is not None else f"{100 * (self.share or 0):g}%"


def split_sample(source: Path) -> tuple[Path, Sample | None]:
    """The path and the sample of a source; a file or folder that is really named so is taken whole."""
    match = NAME.fullmatch(source.name)
    if match is None or source.exists():
        return source, None
    place, amount = source.with_name(match["path"]), float(match["amount"])
    if match["percent"]:
        return (place, Sample(share=amount / 100)) if 0 < amount <= 100 else (source, None)
    return (place, Sample(count=int(amount))) if amount >= 1 and amount.is_integer() else (source, None)


def rank(content: bytes, *, seed: int) -> int:
    """Place of some content in the order that samples are drawn in, 0 to 2**64 - 1."""
    return xxhash.xxh3_64_intdigest(content, seed=seed % ALL)


def threshold(ranks: Iterable[int], sample: Sample) -> int:
    """The rank up to which things are kept; -1 keeps none. A share keeps at least one."""
    if sample.count is not None:
        kept = heapq.nsmallest(sample.count, ranks)
        return kept[-1] if kept else -1
    ordered = sorted(ranks)
    return ordered[max(1, round((sample.share or 0) * len(ordered))) - 1] if ordered else -1
