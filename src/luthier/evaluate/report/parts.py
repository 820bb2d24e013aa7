"""What the page is made of: sections of figures, each with the sentence that says what it means and what to do."""

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table. `kind` is its style: number, hash, right, wrong, spark, passed, failed, open."""

    text: str | Markup
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; the first cell of a row names it."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: tuple[int, ...] = ()
    """Columns of numbers, from 0."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot, a table or both, under one sentence."""

    meaning: str
    plot: Markup | None = None
    table: Table | None = None
    legend: tuple[tuple[str, str], ...] = ()
    """Kind (which names the colour) and text: HTML, because text in SVG does not wrap on a phone."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the page."""

    title: str
    figures: tuple[Figure, ...]
    lines: tuple[str, ...] = ()
    is_long: bool = False
    """May be broken over pages when printed."""
