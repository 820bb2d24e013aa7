"""Hyphens at the ends of lines: taken out only where the whole word stands elsewhere in the document."""

import re
from collections import Counter
from collections.abc import Iterable

from luthier.collect.readers.pdf.boxes import BREAK

WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
BROKEN = re.compile(f"\\S*{BREAK}\\S*")
SPLIT = re.compile(f"(\\w*){BREAK}(\\w*)")
SUSPENDED = {"and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o", "e", "ed", "en", "of"}
"""Words behind a hyphen that stands for something left out: `pre- and post-war`."""


class Hyphens:
    """Decides what becomes of a hyphen at the end of a line."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words: Counter[str] = Counter()
        for text in texts:
            self._words.update(WORD.findall(BROKEN.sub(" ", text).lower()))

    def between(self, left: str, right: str) -> str:
        """What stands between the two halves: nothing, a hyphen, or a hyphen and a space."""
        if right.lower() in SUSPENDED:
            return "- "
        if not (left.isalpha() and right[:1].islower()):
            return "-"
        left, right = left.lower(), right.lower()
        whole = self._words[left + right]
        return "" if whole and whole >= self._words[f"{left}-{right}"] else "-"

    def settle(self, text: str) -> str:
        """The text with every BREAK settled."""
        if BREAK not in text:
            return text
        return SPLIT.sub(lambda found: found[1] + self.between(found[1], found[2]) + found[2], text)
