"""Shapes of a slide: where they stand, in which order they are read, and which nobody sees."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luthier.collect.readers.office_xml import HIDDEN, A, Element, M, P, Parts, characters_of, whole_number

TEXTS = (f"{A}t", f"{M}t")
SHAPES = {f"{P}{name}" for name in ("sp", "grpSp", "graphicFrame", "pic", "cxnSp", "contentPart")}
FURNITURE = "slide numbers, dates and footers"
FURNITURE_KINDS = {"sldNum", "dt", "ftr", "hdr"}
TITLE_KINDS = {"title", "ctrTitle"}
SAME_ROW = 0.02
"""Shapes whose tops differ by less than this share of the slide's height stand in one row."""
TINY = 200
"""Hundredths of a point."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a shape stands, in English Metric Units."""

    left: int
    top: int
    width: int
    height: int


class Geometry:
    """Places of the shapes of one slide; placeholders take theirs from the layout and the master."""

    def __init__(self, parts: Parts, slide: str, *, size: tuple[int, int]) -> None:
        self.width, self.height = size
        layouts = parts.related(slide, "slideLayout")
        masters = [name for layout in layouts for name in parts.related(layout, "slideMaster")]
        self._models = [parts.tree(name) for name in layouts[:1] + masters[:1]]

    def frame(self, shape: Element) -> Frame | None:
        """The shape's place, None if nobody says."""
        own = _frame(shape)
        placeholder = placeholder_of(shape)
        if own is not None or placeholder is None:
            return own
        found = (
            _frame(other) for model in self._models for other in model.iter(f"{P}sp") if _is_model(other, placeholder)
        )
        return next((frame for frame in found if frame is not None), None)

    def in_reading_order(self, shapes: Sequence[Element]) -> list[Element]:
        """Top to bottom, left to right within a row; shapes without a place keep theirs behind the others."""
        placed = [(frame.top, frame.left, number) for number, one in enumerate(shapes) if (frame := self.frame(one))]
        rows: list[list[tuple[int, int, int]]] = []
        for entry in sorted(placed):
            if rows and entry[0] - rows[-1][0][0] < SAME_ROW * self.height:
                rows[-1].append(entry)
            else:
                rows.append([entry])
        order = [number for row in rows for _, _, number in sorted(row, key=lambda entry: entry[1:])]
        return [shapes[number] for number in [*order, *(set(range(len(shapes))) - set(order))]]

    def is_outside(self, shape: Element) -> bool:
        """True if no part of the shape is on the slide."""
        frame = self.frame(shape)
        if frame is None or not self.width:
            return False
        right, bottom = frame.left + frame.width, frame.top + frame.height
        return right <= 0 or bottom <= 0 or frame.left >= self.width or frame.top >= self.height

    def picture_share(self, tree: Element) -> float:
        """Share of the slide that its pictures cover, at most 1."""
        frames = [frame for picture in tree.iter(f"{P}pic") if (frame := self.frame(picture))]
        covered = sum(frame.width * frame.height for frame in frames)
        return min(1.0, covered / max(1, self.width * self.height))


def shapes_of(tree: Element) -> Iterator[Element]:
    """The shapes directly in a tree or group, through alternative contents."""
    for child in tree:
        if child.tag in SHAPES:
            yield child
        elif not isinstance(child.tag, str) or not child.tag.endswith("Pr"):
            yield from shapes_of(child)


def placeholder_of(shape: Element) -> Element | None:
    """The placeholder mark of a shape, None for free shapes."""
    return next(iter(shape.findall(f"*/{P}nvPr/{P}ph")), None)


def kind_of(shape: Element) -> str:
    """Kind of the placeholder, such as `title` or `body`; empty for free shapes."""
    mark = placeholder_of(shape)
    return (mark.get("type") or "body") if mark is not None else ""


def prune(tree: Element, geometry: Geometry, cut: Counter[str]) -> None:
    """Take hidden shapes and text, and the slide's furniture, out of a tree and count their characters."""
    for shape in list(shapes_of(tree)):
        if kind_of(shape) in FURNITURE_KINDS:
            _remove(shape, cut, FURNITURE)
        elif geometry.is_outside(shape):
            _remove(shape, cut, HIDDEN)
    for properties in list(tree.iter(f"{P}cNvPr")):
        if properties.get("hidden") in {"1", "true"}:
            _remove(properties.getparent().getparent(), cut, HIDDEN)
    for run in list(tree.iter(f"{A}r")):
        look = run.find(f"{A}rPr")
        if look is not None and (
            whole_number(look.get("sz"), otherwise=TINY + 1) <= TINY or look.find(f"{A}noFill") is not None
        ):
            _remove(run, cut, HIDDEN)


def length(element: Element | None, name: str) -> int:
    """A length in English Metric Units, 0 if nobody gives it."""
    return whole_number(element.get(name), otherwise=0) if element is not None else 0


def _remove(element: Element, cut: Counter[str], reason: str) -> None:
    if characters := characters_of(element, TEXTS):
        cut[reason] += characters
    element.getparent().remove(element)


def _frame(shape: Element) -> Frame | None:
    place = next(
        (one for path in ("", "*/") for one in [*shape.findall(f"{path}{A}xfrm"), *shape.findall(f"{P}xfrm")]), None
    )
    if place is None:
        return None
    offset, extent = place.find(f"{A}off"), place.find(f"{A}ext")
    return Frame(length(offset, "x"), length(offset, "y"), length(extent, "cx"), length(extent, "cy"))


def _is_model(shape: Element, placeholder: Element) -> bool:
    other = placeholder_of(shape)
    if other is None:
        return False
    index = placeholder.get("idx")
    kind, other_kind = placeholder.get("type") or "body", other.get("type") or "body"
    if index is not None and other.get("idx") == index:
        return True
    return kind == other_kind or (kind in TITLE_KINDS and other_kind in TITLE_KINDS)
