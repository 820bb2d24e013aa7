"""The matching copy of a text: what two texts are compared by, never what is stored."""

import re
import unicodedata

KEPT = frozenset("#%&@*")
"""Punctuation that names things (C#, 5 %, R&D): folding it would make different questions equal."""
SPACES = re.compile(r"\s+")


def matching_copy(text: str) -> str:
    """NFKC, case folded, white space and punctuation folded to one space; digits, symbols and numbers' marks kept.

    A mark between digits (1.5, 3/4) or a minus before one decides what a number is, so it stays. A text of nothing but
    punctuation is compared as it is.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    if plain.isascii() and plain.replace(" ", "").isalnum():
        return SPACES.sub(" ", plain).strip()
    folded = "".join(" " if _folds(plain, place) else letter for place, letter in enumerate(plain))
    return SPACES.sub(" ", folded).strip() or SPACES.sub(" ", plain).strip()


def _folds(text: str, place: int) -> bool:
    letter = text[place]
    if letter.isalnum() or letter in KEPT or not unicodedata.category(letter).startswith("P"):
        return False
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if not after.isdigit():
        return True
    is_minus = letter in "-−" and (place == 0 or before.isspace())
    return not (before.isdigit() or is_minus)
