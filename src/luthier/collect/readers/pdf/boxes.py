"""Shapes of a page: boxes and words, upright and from the top left corner, in points."""

import re
from dataclasses import dataclass

BREAK = "\x02"
"""Stands for a hyphen at the end of a line until it is known whether it belongs to the word."""
ENDS_WITH_HYPHEN = re.compile("(?<=\\w)[-\u2010\u00ad]$")


@dataclass(frozen=True, slots=True)
class Style:
    """How glyphs look. `size` in points, to the half point."""

    size: float
    bold: bool = False
    mono: bool = False


@dataclass(slots=True)
class Box:
    """A rectangle; `top` is smaller than `bottom`."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Points from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Points from top to bottom."""
        return self.bottom - self.top

    def holds(self, other: "Box", *, slack: float = 0.0) -> bool:
        """Whether the centre of `other` lies inside, or at most `slack` points outside."""
        across, down = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left - slack <= across <= self.right + slack and self.top - slack <= down <= self.bottom + slack


@dataclass(slots=True)
class Word(Box):
    """Glyphs without a space between them."""

    text: str
    style: Style


@dataclass(slots=True)
class Segment(Box):
    """Words of one line with ordinary spaces between them."""

    text: str
    style: Style
    """The style of most of its characters; bold and mono only if all of it is."""
    order: int
    """Its place in the order in which the file draws its text."""


def bounds(boxes: "list[Box] | list[Segment] | list[Word]") -> Box:
    """The smallest box around all."""
    return Box(
        left=min(box.left for box in boxes),
        top=min(box.top for box in boxes),
        right=max(box.right for box in boxes),
        bottom=max(box.bottom for box in boxes),
    )


def join_words(words: "list[Word]") -> str:
    """Words of one line as text; a hyphen at the end becomes a BREAK."""
    return ENDS_WITH_HYPHEN.sub(BREAK, " ".join(word.text for word in words))
