"""What a page draws beside its text: rulings, filled areas and pictures, in the page's own coordinates."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2.raw as pdfium

MOST_OBJECTS = 20_000
DEEPEST_FORM = 4
MOST_SEGMENTS = 400
THIN = 3.0
"""Points; what is thinner is a ruling."""

Rectangle = tuple[float, float, float, float]
"""left, bottom, right, top"""
Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class Drawing:
    """The shapes of one page."""

    rulings: list[Rectangle] = field(default_factory=list)
    fills: list[Rectangle] = field(default_factory=list)
    """Areas that are not white: filled paths, shadings and pictures."""
    pictures: list[Rectangle] = field(default_factory=list)


def read_drawing(page: Any) -> Drawing:
    """The shapes of a pdfium page, at most 20,000 of them."""
    drawing = Drawing()
    count = pdfium.FPDFPage_CountObjects(page)
    objects = (pdfium.FPDFPage_GetObject(page, place) for place in range(min(count, MOST_OBJECTS)))
    for shape, matrix in _flatten(objects, IDENTITY, depth=0):
        kind = pdfium.FPDFPageObj_GetType(shape)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            continue
        rectangle = _bounds(shape, matrix)
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            _add_path(drawing, shape, matrix, rectangle)
        else:
            drawing.fills.append(rectangle)
            if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                drawing.pictures.append(rectangle)
    return drawing


def _flatten(objects: Iterator[Any], matrix: Matrix, *, depth: int) -> Iterator[tuple[Any, Matrix]]:
    for shape in objects:
        if pdfium.FPDFPageObj_GetType(shape) != pdfium.FPDF_PAGEOBJ_FORM:
            yield shape, matrix
        elif depth < DEEPEST_FORM:
            count = min(pdfium.FPDFFormObj_CountObjects(shape), MOST_OBJECTS)
            inner = (pdfium.FPDFFormObj_GetObject(shape, place) for place in range(count))
            yield from _flatten(inner, _combine(_matrix(shape), matrix), depth=depth + 1)


def _matrix(shape: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(shape, found):
        return IDENTITY
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _combine(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _bounds(shape: Any, matrix: Matrix) -> Rectangle:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(shape, left, bottom, right, top)
    found = (left.value, bottom.value, right.value, top.value)
    return found if matrix is IDENTITY else _span(matrix, (found[0], found[1]), (found[2], found[3]))


def _span(matrix: Matrix, start: tuple[float, float], end: tuple[float, float]) -> Rectangle:
    (x, y), (z, w) = _apply(matrix, *start), _apply(matrix, *end)
    return min(x, z), min(y, w), max(x, z), max(y, w)


def _add_path(drawing: Drawing, shape: Any, matrix: Matrix, rectangle: Rectangle) -> None:
    left, bottom, right, top = rectangle
    mode, stroked = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(shape, mode, stroked)
    if not (mode.value or stroked.value):
        return
    if right - left <= THIN or top - bottom <= THIN:
        drawing.rulings.append(rectangle)
        return
    if mode.value and not _is_white(shape):
        drawing.fills.append(rectangle)
    if stroked.value:
        drawing.rulings += _straight_lines(shape, _combine(_matrix(shape), matrix))


def _is_white(shape: Any) -> bool:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    pdfium.FPDFPageObj_GetFillColor(shape, red, green, blue, alpha)
    return is_white(red.value, green.value, blue.value) or alpha.value < 13


def is_white(red: int, green: int, blue: int) -> bool:
    """Whether a colour, 0 to 255 each, cannot be told from white paper."""
    return min(red, green, blue) >= 250


def _straight_lines(shape: Any, matrix: Matrix) -> Iterator[Rectangle]:
    """The level and upright lines of a path."""
    here = start = (0.0, 0.0)
    x, y = ctypes.c_float(), ctypes.c_float()
    for place in range(min(pdfium.FPDFPath_CountSegments(shape), MOST_SEGMENTS)):
        segment = pdfium.FPDFPath_GetPathSegment(shape, place)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (x.value, y.value)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        ends = [(here, point)] if kind == pdfium.FPDF_SEGMENT_LINETO else []
        if pdfium.FPDFPathSegment_GetClose(segment):
            ends.append((point, start))
        here = point
        lines = (_span(matrix, *end) for end in ends)
        yield from (line for line in lines if min(line[2] - line[0], line[3] - line[1]) <= 1.0)
