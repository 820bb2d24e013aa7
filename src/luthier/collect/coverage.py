"""Coverage guard: does the structured reading of a file hold every word of its plain text, and no other?"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.records import Page

LEAST_SHARE = 0.995
MOST_ADDED = 0.005
MOST_LOST_LISTED = 50
INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
# Scripts written without spaces break lines anywhere, so each of their characters is a word.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a structured reading compares with its reference."""

    share: float
    """Share of the reference's words that the structured reading holds, 0 to 1."""
    added: float
    """Words that the reference lacks, as a share of the reference's words."""
    lost: tuple[str, ...]
    """Words of the reference that are missing, most frequent first, at most 50."""

    @property
    def holds(self) -> bool:
        """Whether the structured reading may stand."""
        return self.share >= LEAST_SHARE and self.added <= MOST_ADDED


def compare(reference: str, structured: str, *, removed: Sequence[str] = (), inserted: Sequence[str] = ()) -> Coverage:
    """Compare two readings as multisets of NFKC words; marks such as `|` and `#` are no words.

    `removed` was taken out of the structured reading on purpose (running headers, hidden text); `inserted` was put in
    on purpose (merged cells filled, headers repeated).
    """
    wanted, held = count_words(reference), count_words(structured)
    for text in removed:
        wanted -= count_words(text)
    for text in inserted:
        held -= count_words(text)
    lost, added = wanted - held, held - wanted
    total = max(1, wanted.total())
    return Coverage(
        share=1 - lost.total() / total,
        added=added.total() / total,
        lost=tuple(word for word, _ in lost.most_common(MOST_LOST_LISTED)),
    )


def count_words(text: str) -> Counter[str]:
    """How often each word occurs: runs of letters and digits after NFKC, single characters in unspaced scripts."""
    if not text.isascii():
        text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return Counter(WORD.findall(text))


def guarded_page(place: str, coverage: Coverage) -> Page:
    """The page's record: `read` if the guard holds, else `plain`, for which the caller keeps the reference text."""
    return Page(place=place, state="read" if coverage.holds else "plain", coverage=coverage.share, lost=coverage.lost)
