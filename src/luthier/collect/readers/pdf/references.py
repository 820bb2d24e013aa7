"""The chain of a PDF's cross-reference sections, each of which names the one that was written before it."""

import re
from pathlib import Path
from typing import BinaryIO

START = re.compile(rb"startxref\s+(\d{1,12})")
PREVIOUS = re.compile(rb"/Prev\s+(\d{1,12})(?!\d|\s+\d+\s+R)")
END = b"startxref"
TAIL_BYTES = 1_024
BLOCK = 1 << 16
MOST_BYTES = 8 << 20
"""Of one section that are looked at."""


def is_cyclic(path: Path) -> bool:
    """True if the chain comes back to a section it has passed: what such a file holds is a guess."""
    seen: set[int] = set()
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - TAIL_BYTES))
        found = list(START.finditer(stream.read()))
        place = int(found[-1][1]) if found else None
        while place is not None and place < size and place not in seen:
            seen.add(place)
            place = _previous(stream, place)
    return place in seen


def _previous(stream: BinaryIO, place: int) -> int | None:
    """Where the section before the one at `place` begins, None for the first."""
    stream.seek(place)
    section, end = bytearray(), -1
    while end < 0 and len(section) < MOST_BYTES and (block := stream.read(BLOCK)):
        searched = max(0, len(section) - len(END))
        section += block
        end = section.find(END, searched)
    found = PREVIOUS.search(section, 0, end if end >= 0 else len(section))
    return int(found[1]) if found else None
