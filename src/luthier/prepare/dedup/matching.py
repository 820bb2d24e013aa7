"""The matching copy of a text: what two texts are compared by, never what is stored."""

import re
import unicodedata
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

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
FOLDED = bytes(range(256)).lower().translate(SPACED).translate(bytes.maketrans(WHITE, b" " * len(WHITE)))
IS_WHITE = np.isin(np.arange(256), np.frombuffer(WHITE, np.uint8))
ROOM = 8
"""Letters that may be read at once, from the last one on too."""

Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Copies:
    """Matching copies of many texts in UTF-8, but for spaces: there may be more of them than one."""

    letters: bytes
    """Each text with a space before and after it, and room at the end."""
    starts: Offsets
    """Where each text starts, and where one more would."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, text: int) -> bytes:
        """The matching copy of one text."""
        letters = self.letters[self.starts[text] : self.starts[text + 1]].strip(b" ")
        return b" ".join(filter(None, letters.split(b" "))) if b"  " in letters else letters


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


def copies_of(texts: Sequence[str]) -> Copies:
    """The matching copies of many texts, as `matching_copy` makes them one by one."""
    plain = texts if all(map(str.isascii, texts)) else [text if text.isascii() else "" for text in texts]
    folded = _fold_all(plain)
    blank = np.maximum.reduceat(np.frombuffer(folded.letters, np.uint8), folded.starts[:-1]) == SPACE
    if not blank.any():
        return folded
    return joined(
        [
            matching_copy(text).encode("utf-8", "surrogatepass") if is_blank else folded.of(place)
            for place, (text, is_blank) in enumerate(zip(texts, blank.tolist(), strict=True))
        ]
    )


def joined(copies: Sequence[bytes]) -> Copies:
    """Matching copies that were made one by one."""
    letters = b" ".join((b"", *copies, b" " * ROOM))
    return Copies(letters, _starts(copies))


def _fold_all(texts: Sequence[str]) -> Copies:
    """ASCII texts folded at once; nothing but spaces where a text is nothing but punctuation."""
    plain = " ".join(("", *texts, " " * ROOM)).encode("ascii")
    folded = bytearray(plain.translate(FOLDED))
    before, after = np.frombuffer(plain, np.uint8), np.frombuffer(folded, np.uint8)
    digit = before - np.uint8(ord("0")) < np.uint8(10)
    marks = np.flatnonzero((after[1:-1] == SPACE) & digit[2:]) + 1
    marks = marks[~IS_WHITE[before[marks]]]
    kept = marks[digit[marks - 1] | ((before[marks] == ord("-")) & IS_WHITE[before[marks - 1]])]
    after[kept] = before[kept]
    return Copies(bytes(folded), _starts(texts))


def _starts(texts: Sequence[Sized]) -> Offsets:
    return np.cumsum([0, *map(len, texts)]) + np.arange(1, len(texts) + 2)


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
