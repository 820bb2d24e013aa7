"""Scores that web corpora are filtered by: here they are shown, and remove nothing."""

import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
BULLETS = ("•", "-", "*", "‣", "◦", "–")
ENDS = tuple(".!?\"'”’…。！？")
SHORT_LINE = 30
LIMITS: dict[str, tuple[float, float]] = {
    "words": (50, 100_000),
    "letters per word": (3, 10),
    "symbols per word": (0, 0.1),
    "bullet lines": (0, 0.9),
    "ellipsis lines": (0, 0.3),
    "words with letters": (0.8, 1),
    "stop words": (2, math.inf),
    "most frequent pair of words": (0, 0.2),
    "sentence lines": (0.12, 1),
    "short lines": (0, 0.67),
    "duplicate lines": (0, 0.1),
    "lines per word": (0, 0.3),
}
"""Published bounds: the first eight from Gopher (Rae et al. 2021, table A1), the others from FineWeb (Penedo et al.
2024). They were set for web pages."""
NORMAL = 1.4826
"""Standard deviations of a normal distribution per median absolute deviation."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One score over all rows."""

    score: str
    low: float
    """5th percentile."""
    median: float
    high: float
    """95th percentile."""
    beyond: int
    """Rows outside the published bounds; 0 for a score without any."""
    unusual: Sequence[tuple[str, float, float]]
    """Row id, score and robust z of the most unusual rows, most unusual first."""


def quality_scores(text: str) -> dict[str, float]:
    """Scores of one text; shares are 0 to 1, `entropy` is bits per character, `gzip` is packed by plain bytes."""
    words, lines = text.split(), [line.strip() for line in text.split("\n") if line.strip()]
    count, rows, size = max(1, len(words)), max(1, len(lines)), max(1, len(text))
    data = text.encode("utf-8", "surrogatepass")
    pairs = Counter(pairwise(words)).most_common(1)
    repeats = Counter(lines)
    return {
        "words": float(len(words)),
        "letters per word": sum(map(len, words)) / count,
        "symbols per word": (text.count("#") + text.count("…") + text.count("...")) / count,
        "bullet lines": sum(line.startswith(BULLETS) for line in lines) / rows,
        "ellipsis lines": sum(line.endswith(("…", "...")) for line in lines) / rows,
        "words with letters": sum(any(map(str.isalpha, word)) for word in words) / count,
        "stop words": float(len(STOP_WORDS.intersection(map(str.lower, words)))),
        "most frequent pair of words": sum((len(one) + len(two)) * n for (one, two), n in pairs if n > 1) / size,
        "sentence lines": sum(line.endswith(ENDS) for line in lines) / rows,
        "short lines": sum(len(line) <= SHORT_LINE for line in lines) / rows,
        "duplicate lines": sum(len(line) * (n - 1) for line, n in repeats.items()) / size,
        "lines per word": len(lines) / count,
        "gzip": len(zlib.compress(data, 6)) / max(1, len(data)),
        "entropy": _entropy(text),
    }


def distributions(
    ids: Sequence[str], scores: Sequence[dict[str, float]], *, z: float, samples: int
) -> list[Distribution]:
    """How every score is spread, and the rows that are unusual by a robust z of at least `z`."""
    found = []
    for name in scores[0] if scores else ():
        values = np.array([one[name] for one in scores])
        low, high = LIMITS.get(name, (-math.inf, math.inf))
        least, median, most = np.quantile(values, [0.05, 0.5, 0.95]).tolist()
        beyond = int(np.sum((values < low) | (values > high)))
        rows = unusual(ids, values, z=z)[:samples]
        found.append(Distribution(name, low=least, median=median, high=most, beyond=beyond, unusual=rows))
    return found


def unusual(ids: Sequence[str], values: "np.ndarray | Sequence[float]", *, z: float) -> list[tuple[str, float, float]]:
    """Rows in both tails of a score, such as a base model's nats per byte: id, score, robust z; most unusual first."""
    deviations = robust_z(values)
    far = [(one, float(value), float(far)) for one, value, far in zip(ids, values, deviations, strict=True)]
    return sorted((row for row in far if abs(row[2]) >= z), key=lambda row: (-abs(row[2]), row[0]))


def robust_z(values: "np.ndarray | Sequence[float]") -> np.ndarray:
    """Distances from the median in robust standard deviations (Iglewicz and Hoaglin 1993).

    The scale is the median absolute deviation, or the mean one where half of the values are equal.
    """
    given = np.asarray(values, dtype=np.float64)
    if not given.size:
        return given
    away = given - np.median(given)
    scale = NORMAL * np.median(np.abs(away)) or math.sqrt(math.pi / 2) * np.mean(np.abs(away))
    return away / scale if scale else np.zeros_like(given)


def _entropy(text: str) -> float:
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())
