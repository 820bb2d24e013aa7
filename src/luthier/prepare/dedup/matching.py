"""The matching copy of a text: what two texts are compared by, never what is stored."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

KEPT = frozenset("#%&@*")
"""Punctuation that names things (C#, 5 %, R&D): folding it would make different questions equal."""
KEEPS = r"[{marks}](?=\d)(?:(?<=\d.)|(?<!\S-)(?<=-))"
"""A mark between digits, or a minus before one, decides what a number is."""
ASCII_MARKS = "".join(
    letter for letter in map(chr, range(128)) if unicodedata.category(letter)[0] == "P" and letter not in KEPT
)
ASCII_KEEPS = re.compile(KEEPS.format(marks=re.escape(ASCII_MARKS)), re.DOTALL)
SPACED = bytes.maketrans(ASCII_MARKS.encode(), b" " * len(ASCII_MARKS))
SPACE = ord(" ")
WHITE = bytes(code for code in range(128) if chr(code).isspace())
FOLDED = np.frombuffer(
    bytes(range(256)).lower().translate(SPACED).translate(bytes.maketrans(WHITE, b" " * len(WHITE))), np.uint8
)
IS_WHITE = np.isin(np.arange(256), np.frombuffer(WHITE, np.uint8))


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


def matching_copies(texts: Sequence[str]) -> list[bytes]:
    """The matching copies of many texts in UTF-8, as `matching_copy` makes them one by one."""
    plain = iter(_fold_all([text for text in texts if text.isascii()]))
    copies = [next(plain) if text.isascii() else b"" for text in texts]
    return [
        copy or matching_copy(text).encode("utf-8", "surrogatepass") for copy, text in zip(copies, texts, strict=True)
    ]


def _fold_all(texts: Sequence[str]) -> list[bytes]:
    """ASCII texts folded at once; empty where nothing but punctuation is left."""
    if not texts:
        return []
    letters = np.frombuffer(f" {' '.join(texts)} ".encode("ascii"), dtype=np.uint8)
    folded = FOLDED[letters]
    digit = letters - np.uint8(ord("0")) < np.uint8(10)
    marks = np.flatnonzero((folded[1:-1] == SPACE) & digit[2:]) + 1
    marks = marks[~IS_WHITE[letters[marks]]]
    kept = marks[digit[marks - 1] | ((letters[marks] == ord("-")) & IS_WHITE[letters[marks - 1]])]
    folded[kept] = letters[kept]
    stays = folded != SPACE
    stays[1:] |= stays[:-1].copy()
    stays[0] = True
    starts = np.cumsum([1, *(len(text) + 1 for text in texts)])
    bounds = np.cumsum([1, *np.add.reduceat(stays, starts[:-1], dtype=np.int64)]).tolist()
    whole = folded[stays].tobytes()
    return [whole[start:end].strip() for start, end in pairwise(bounds)]


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
