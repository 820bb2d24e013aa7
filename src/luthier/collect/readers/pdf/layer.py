"""The text layer of a page as pdfium gives it: words with boxes and styles, hidden ones apart."""

import ctypes
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium2
import pypdfium2.raw as pdfium

from luthier.collect.readers.pdf.boxes import BREAK, Box, Style, Word
from luthier.collect.readers.pdf.drawing import Drawing, Rectangle, is_white, read_drawing

TOKEN = re.compile(r"[^\s\ufffe]+\ufffe?|\ufffe")
BOLD = re.compile(r"bold|black|heavy|demi|cmbx|sfbx|[-,]bd\b", re.IGNORECASE)
MONO = re.compile(r"mono|courier|consol|menlo|typewriter|cmtt|sltt|sftt|inconsolata|fixed|code\b", re.IGNORECASE)
PRIVATE_OR_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
# Bullets that Symbol, Wingdings and their like leave behind in the private use area.
BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0d8\uf0fc\uf076\uf02d\uf06c\uf06e\uf071\uf075", "•"))
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xa0": " "})
FIXED_PITCH = 1
INVISIBLE, CLIP_ONLY = 3, 7
FILLED_AND_STROKED = 2
SMALLEST = 2.0
"""Points; smaller glyphs are not meant to be read."""
FAINTEST = 13
"""Of 255; fainter glyphs are not meant to be read."""
OBLIQUE = -1

_object_of = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(pdfium.FPDFText_GetTextObject, ctypes.c_void_p).value or 0
)
"""FPDFText_GetTextObject with a plain number as its result, which can be a key."""


@dataclass(frozen=True, slots=True)
class Ink:
    """What all glyphs of one text object share."""

    style: Style
    turn: int
    """Quarter turns against the clock, or OBLIQUE."""
    shown: bool
    white: bool


@dataclass(slots=True)
class Layer:
    """The text layer of one page."""

    reference: str
    """The whole text in the order of the file, hidden words included."""
    height: float
    views: list[list[Word]]
    """Words by the way they are turned, most characters first; every view is upright in itself."""
    rulings: list[Box]
    """Rulings of the first view."""
    hidden: list[str] = field(default_factory=list)
    picture_share: float = 0.0
    """Part of the page that pictures cover, 0 to 1."""
    bad_share: float = 0.0
    """Part of the characters whose meaning the file does not tell, 0 to 1."""
    is_recognised: bool = False
    """Whether the words lie invisible over a picture, as text recognition puts them."""


@dataclass(slots=True)
class _Glyphs:
    """The words of a page in its own coordinates, each with its ink."""

    words: list[tuple[str, Rectangle, Ink]] = field(default_factory=list)
    bad: int = 0


def read_layer(page: pdfium2.PdfPage) -> Layer:
    """The text layer of a page, and its rulings."""
    textpage = page.get_textpage()
    edge = page.get_bbox()
    drawing = read_drawing(page)
    reference, places = _text_of(textpage.raw)
    glyphs = _read_glyphs(textpage.raw, reference, places)
    area = max(1.0, (edge[2] - edge[0]) * (edge[3] - edge[1]))
    picture_share = min(1.0, sum(_area_within(picture, edge) for picture in drawing.pictures) / area)
    unseen = sum(len(text) for text, _, ink in glyphs.words if not ink.shown)
    total = sum(len(text) for text, _, _ in glyphs.words)
    is_recognised = picture_share > 0.5 and unseen > 0.5 * total
    views: dict[int, list[Word]] = {}
    hidden = []
    for text, rectangle, ink in glyphs.words:
        if _is_hidden(rectangle, ink, edge=edge, drawing=drawing, is_recognised=is_recognised):
            hidden.append(text)
        else:
            views.setdefault(ink.turn, []).append(_word(text, rectangle, ink, edge))
    characters = Counter({turn: sum(len(word.text) for word in words) for turn, words in views.items()})
    turns = [turn for turn, _ in characters.most_common()]
    main = turns[0] if turns else 0
    return Layer(
        reference=reference.replace("\r\n", "\n").replace("\ufffe", BREAK),
        height=edge[3] - edge[1] if main % 2 == 0 else edge[2] - edge[0],
        views=[views[turn] for turn in turns],
        rulings=[Box(*_upright(ruling, main, edge)) for ruling in drawing.rulings],
        hidden=hidden,
        picture_share=picture_share,
        bad_share=glyphs.bad / total if total else 0.0,
        is_recognised=is_recognised,
    )


def _text_of(raw: Any) -> tuple[str, list[int] | None]:
    """The page's text, and for each of its characters the place in pdfium's list, None where they are the same."""
    count = pdfium.FPDFText_CountChars(raw)
    if count <= 0:
        return "", None
    # More room than characters: pdfium may put in spaces and line ends of its own.
    room = 2 * count + 16
    buffer = (ctypes.c_ushort * room)()
    written = pdfium.FPDFText_GetText(raw, 0, count, buffer)
    text = bytes(memoryview(buffer)[: max(0, written - 1)]).decode("utf-16-le", errors="surrogatepass")
    if len(text) == count and not re.search("[\ud800-\udfff]", text):
        return text, None
    codes = [pdfium.FPDFText_GetUnicode(raw, place) for place in range(count)]
    places = [place for place, code in enumerate(codes) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000]
    return "".join(chr(codes[place]) for place in places).replace(BREAK, "\ufffe"), places


def _read_glyphs(raw: Any, text: str, places: list[int] | None) -> _Glyphs:
    glyphs, inks, fonts = _Glyphs(), dict[int, Ink](), dict[int, tuple[bool, bool]]()
    first, last = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    box_of, is_unmapped = pdfium.FPDFText_GetLooseCharBox, pdfium.FPDFText_HasUnicodeMapError
    handle = ctypes.addressof(raw.contents)
    has_odd = PRIVATE_OR_CONTROL.search(text) is not None
    for match in TOKEN.finditer(text):
        start, end = match.span()
        if places is not None:
            start, end = places[start], places[end - 1] + 1
        token = match.group().replace("\ufffe", BREAK)
        if not token.isascii():
            token = token.translate(LIGATURES).translate(BULLETS)
        bad = PRIVATE_OR_CONTROL.findall(token.replace(BREAK, "")) if has_odd else []
        if bad or is_unmapped(raw, start) == 1:
            glyphs.bad += len(bad) or len(token)
            token = PRIVATE_OR_CONTROL.sub(lambda found: BREAK if found.group() == BREAK else "\ufffd", token)
        box_of(raw, start, first)
        left, bottom, right, top = first.left, first.bottom, first.right, first.top
        if end - start > 1:
            box_of(raw, end - 1, last)
            left, bottom = min(left, last.left), min(bottom, last.bottom)
            right, top = max(right, last.right), max(top, last.top)
        key = _object_of(handle, start) or 0
        ink = inks.get(key)
        if ink is None:
            ink = inks[key] = _ink(raw, start, fonts)
        glyphs.words.append((token, (left, bottom, right, top), ink))
    return glyphs


def _ink(raw: Any, place: int, fonts: dict[int, tuple[bool, bool]]) -> Ink:
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(raw, place, matrix)
    size = pdfium.FPDFText_GetFontSize(raw, place) * math.hypot(matrix.c, matrix.d)
    angle = math.degrees(math.atan2(matrix.b, matrix.a)) % 360
    turn = round(angle / 90) % 4
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    has_colour = pdfium.FPDFText_GetFillColor(raw, place, red, green, blue, alpha)
    shape = pdfium.FPDFText_GetTextObject(raw, place)
    mode = pdfium.FPDFTextObj_GetTextRenderMode(shape) if shape else 0
    bold, mono = _font(shape, fonts) if shape else (False, False)
    return Ink(
        style=Style(round(size * 2) / 2, bold=bold or mode == FILLED_AND_STROKED, mono=mono),
        turn=turn if abs((angle - 90 * turn + 180) % 360 - 180) < 10 else OBLIQUE,
        shown=mode not in {INVISIBLE, CLIP_ONLY} and not (has_colour and alpha.value < FAINTEST),
        white=bool(has_colour) and mode in {0, 4} and is_white(red.value, green.value, blue.value),
    )


def _font(shape: Any, fonts: dict[int, tuple[bool, bool]]) -> tuple[bool, bool]:
    """Whether the font is bold, and whether all its glyphs are equally wide."""
    font = pdfium.FPDFTextObj_GetFont(shape)
    if not font:
        return False, False
    key = ctypes.addressof(font.contents)
    if key not in fonts:
        buffer = ctypes.create_string_buffer(256)
        pdfium.FPDFFont_GetBaseFontName(font, buffer, 256)
        name = buffer.value.decode("utf-8", errors="replace")
        is_mono = bool(MONO.search(name)) or pdfium.FPDFFont_GetFlags(font) & FIXED_PITCH == FIXED_PITCH
        fonts[key] = (bool(BOLD.search(name)), is_mono)
    return fonts[key]


def _is_hidden(rectangle: Rectangle, ink: Ink, *, edge: Rectangle, drawing: Drawing, is_recognised: bool) -> bool:
    x, y = (rectangle[0] + rectangle[2]) / 2, (rectangle[1] + rectangle[3]) / 2
    if ink.style.size < SMALLEST or not _is_at(edge, x, y):
        return True
    if not ink.shown:
        return not is_recognised
    return ink.white and not any(_is_at(fill, x, y) for fill in drawing.fills)


def _is_at(rectangle: Rectangle, x: float, y: float) -> bool:
    return rectangle[0] <= x <= rectangle[2] and rectangle[1] <= y <= rectangle[3]


def _area_within(rectangle: Rectangle, edge: Rectangle) -> float:
    width = min(rectangle[2], edge[2]) - max(rectangle[0], edge[0])
    height = min(rectangle[3], edge[3]) - max(rectangle[1], edge[1])
    return max(0.0, width) * max(0.0, height)


def _word(text: str, rectangle: Rectangle, ink: Ink, edge: Rectangle) -> Word:
    return Word(*_upright(rectangle, ink.turn, edge), text, ink.style)


def _upright(rectangle: Rectangle, turn: int, edge: Rectangle) -> Rectangle:
    """left, top, right, bottom of a rectangle after the page was turned so that its words are upright."""
    left, bottom, right, top = rectangle
    if turn == 1:
        return bottom - edge[1], left - edge[0], top - edge[1], right - edge[0]
    if turn == 2:
        return edge[2] - right, bottom - edge[1], edge[2] - left, top - edge[1]
    if turn == 3:
        return edge[3] - top, edge[2] - right, edge[3] - bottom, edge[2] - left
    return left - edge[0], edge[3] - top, right - edge[0], edge[3] - bottom
