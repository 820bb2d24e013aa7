"""Definitions of a source file, and the units and headings they make."""

from collections.abc import Sequence
from dataclasses import dataclass

TOP_LEVEL = 2
"""Heading level of what is defined outside everything; level 1 would be the file."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class: characters [start, end) with the comments in front. `depth` 0 is outside everything."""

    start: int
    end: int
    name: str
    depth: int


def units_of(text: str, definitions: Sequence[Definition]) -> tuple[list[tuple[int, int, str]], list[tuple[int, int]]]:
    """Headings, and units that do not overlap: one that holds others ends where the first of them begins."""
    ordered = sorted(definitions, key=lambda one: (one.start, -one.end))
    headings = [(one.start, one.depth + TOP_LEVEL, one.name) for one in ordered]
    units = []
    for number, one in enumerate(ordered):
        following = ordered[number + 1].start if number + 1 < len(ordered) else len(text)
        end = min(one.end, following)
        end = one.start + len(text[one.start : end].rstrip())
        if end > one.start:
            units.append((one.start, end))
    return headings, units
