"""Names of the rules, and the numbers they judge by."""

from dataclasses import dataclass
from typing import Literal

Rule = Literal[
    "boilerplate",
    "empty",
    "unreadable",
    "loops",
    "language",
    "the answer repeats the question",
    "the question is inside the answer",
    "the answer is cut off",
]
"""Every rule that can be named in `keep` and `accept`, in the order in which they take rows."""
SELECTIVE: frozenset[Rule] = frozenset({"language"})
"""Rules that take sound rows: they need a corpus that can spare them."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What cleaning judges by. Meanings, units and defaults stand in `CleanConfig`, and only there."""

    languages: tuple[str, ...] | None
    keep: frozenset[Rule]
    accept: frozenset[Rule]
    cap: float
    select_from: int
    samples: int
    min_letters: int
    unreadable: float
    repeated: float
    repeated_words: int
    language_characters: int
    language_probability: float
    boilerplate_share: float
    boilerplate_files: int
    echo_characters: int
    outliers: float
    outlier_z: float
