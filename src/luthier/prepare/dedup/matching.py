"""The matching copy of a text: what two texts are compared by, never what is stored."""

import re
import unicodedata
from functools import cache

KEPT = frozenset("#%&@*")
"""Punctuation that names things (C#, 5 %, R&D): folding it would make different questions equal."""
KEEPS = r"[{marks}](?=\d)(?:(?<=\d.)|(?<!\S-)(?<=-))"
"""A mark between digits, or a minus before one, decides what a number is."""
ASCII_MARKS = "".join(
    letter for letter in map(chr, range(128)) if unicodedata.category(letter)[0] == "P" and letter not in KEPT
)
ASCII_KEEPS = re.compile(KEEPS.format(marks=re.escape(ASCII_MARKS)), re.DOTALL)
SPACED = bytes.maketrans(ASCII_MARKS.encode(), b" " * len(ASCII_MARKS))


def matching_copy(text: str) -> str:
    """NFKC, case folded, white space and punctuation folded to one space; digits, symbols and numbers' marks kept.

    A mark between digits (1.5, 3/4) or a minus before one decides what a number is, so it stays. A text of nothing but
    punctuation is compared as it is.
    """
    if text.isascii():
        plain = text.lower()
        folded = _fold_ascii(plain)
    else:
        plain = unicodedata.normalize("NFKC", text).casefold()
        folded = _fold(plain)
    return " ".join(folded.split()) or " ".join(plain.split())


def _fold_ascii(text: str) -> str:
    letters = bytearray(text.encode("ascii").translate(SPACED))
    for found in ASCII_KEEPS.finditer(text):
        letters[found.start()] = ord(found[0])
    return letters.decode("ascii")


def _fold(text: str) -> str:
    marks, keeps = _unicode_marks()
    letters = marks.sub(" ", text)
    kept = list(keeps.finditer(text))
    if not kept:
        return letters
    listed = list(letters)
    for found in kept:
        listed[found.start()] = found[0]
    return "".join(listed)


@cache
def _unicode_marks() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of punctuation that folds (all but that of dead scripts), and of where it stays; built at first need."""
    letters = map(chr, range(0x10000))
    marks = re.escape("".join(one for one in letters if unicodedata.category(one)[0] == "P" and one not in KEPT))
    return re.compile(f"[{marks}]"), re.compile(KEEPS.format(marks=marks), re.DOTALL)
