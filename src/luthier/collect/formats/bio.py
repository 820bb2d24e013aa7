"""Tags of tokens to entities: BIO, BIOES, BILOU, BMES, IOB1 and plain classes (IO)."""

import re
from collections.abc import Sequence

from luthier.collect.formats.check import BadRowError

MARKED = re.compile(r"([BIOESLUM])[-_](.+)", re.DOTALL)
OUTSIDE = "O"
BEGINS, GOES_ON, ALONE, ENDS = "B", "I", "S", "E"
MEANING = {"B": BEGINS, "I": GOES_ON, "M": GOES_ON, "E": ENDS, "L": ENDS, "S": ALONE, "U": ALONE}
Piece = tuple[int, int, str]
"""First token, token behind the last, label."""


def entities_of(tags: Sequence[str]) -> tuple[list[Piece], int]:
    """Entities as runs of tokens, and how many illegal steps were mended.

    An entity that goes on without a beginning begins there; that is legal where a row knows no beginnings (IOB1).
    BadRowError if only some tags are marked B, I and so on.
    """
    steps = _steps(tags)
    knows_beginnings = any(mark in {BEGINS, ALONE} for mark, _ in steps)
    knows_ends = any(mark in {ENDS, ALONE} for mark, _ in steps)
    pieces: list[Piece] = []
    repairs, open_at, open_label = 0, 0, ""
    for place, (mark, label) in enumerate([*steps, (OUTSIDE, "")]):
        joins = mark in {GOES_ON, ENDS} and label == open_label and open_label != ""
        if open_label and not joins:
            pieces.append((open_at, place, open_label))
            repairs += knows_ends
            open_label = ""
        if mark != OUTSIDE and not joins:
            repairs += mark == ENDS or (mark == GOES_ON and knows_beginnings)
            open_at, open_label = place, label
        if mark in {ENDS, ALONE}:
            pieces.append((open_at, place + 1, label))
            open_label = ""
    return pieces, repairs


def _steps(tags: Sequence[str]) -> list[tuple[str, str]]:
    matches = [None if tag == OUTSIDE else MARKED.fullmatch(tag) for tag in tags]
    if not any(matches):
        return [(OUTSIDE, "") if tag == OUTSIDE else (GOES_ON, tag) for tag in tags]
    for place, (tag, match) in enumerate(zip(tags, matches, strict=True)):
        if tag != OUTSIDE and match is None:
            raise BadRowError(f"tags[{place}] is '{tag}', and others are marked, such as B-{tag}")
    return [(MEANING[match[1]], match[2]) if match else (OUTSIDE, "") for match in matches]
