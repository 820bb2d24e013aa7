"""Paragraph styles of Word: which are headings, which are lists, which are code."""

import re
from dataclasses import dataclass, replace

from luthier.collect.readers.office_xml import Element, W, value_at, whole_number

HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
CODE = re.compile(r"\b(code|source|listing|preformatted|verbatim|macro text|programlisting)\b", re.IGNORECASE)
MONOSPACED = re.compile(r"courier|consolas|mono|menlo|lucida console|fixedsys|terminal", re.IGNORECASE)
PLAIN_TEXT_LEVEL = 9
"""An outline level of 9 says that the paragraph is no heading (counted from 0)."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph's style says, with what it inherits."""

    level: int = 0
    """Level of the heading from 1; 0 for other paragraphs."""
    is_title: bool = False
    numbering: tuple[str, int] | None = None
    """List id and level from 0."""
    has_code_name: bool = False
    is_monospaced: bool = False

    def is_code(self, paragraph: Element) -> bool:
        """True for a code style, and for a paragraph that is set in a typewriter face throughout."""
        if self.level:
            return False
        runs = [run for run in paragraph.iter(f"{W}r") if any(text.text for text in run.iter(f"{W}t"))]
        fonts = [run.find(f"{W}rPr/{W}rFonts") for run in runs]
        names = [font.get(f"{W}ascii") or "" if font is not None else "" for font in fonts]
        is_set_so = all(MONOSPACED.search(name) or (self.is_monospaced and not name) for name in names)
        return bool(runs) and (self.has_code_name or is_set_so)


class Styles:
    """All paragraph styles of a document."""

    def __init__(self, found: dict[str, Style], default: str) -> None:
        self._found, self._default = found, default

    def of(self, paragraph: Element) -> Style:
        """The style of a paragraph; its own outline level beats the style's."""
        style = self._found.get(value_at(paragraph, "pPr/pStyle") or self._default, Style())
        level = whole_number(value_at(paragraph, "pPr/outlineLvl"), otherwise=PLAIN_TEXT_LEVEL)
        return style if style.level or level >= PLAIN_TEXT_LEVEL else replace(style, level=level + 1)


def read_styles(root: Element | None) -> Styles:
    """The paragraph styles that `styles.xml` defines; none without one."""
    if root is None:
        return Styles({}, "")
    elements = {one.get(f"{W}styleId"): one for one in root.iter(f"{W}style") if one.get(f"{W}type") == "paragraph"}
    default = next((key for key, one in elements.items() if one.get(f"{W}default") in {"1", "true"}), "")
    return Styles({key: _read(key, elements) for key in elements}, default)


def _read(key: str, elements: dict[str, Element]) -> Style:
    chain: list[Element] = []
    while key in elements and elements[key] not in chain:
        chain.append(elements[key])
        key = value_at(chain[-1], "basedOn")
    names = [value_at(one, "name") for one in chain]
    heading = next((int(found.group(1)) for found in map(HEADING.fullmatch, names) if found), 0)
    outlines = [whole_number(value_at(one, "pPr/outlineLvl"), otherwise=PLAIN_TEXT_LEVEL) for one in chain]
    outline = next((level for level in outlines if level < PLAIN_TEXT_LEVEL), None)
    if not heading and outline is not None:
        heading = outline + 1
    is_title = names[0].lower() == "title"
    fonts = [font.get(f"{W}ascii") for one in chain for font in one.findall(f"{W}rPr/{W}rFonts")]
    return Style(
        level=1 if is_title else heading,
        is_title=is_title,
        numbering=_numbering(chain),
        has_code_name=any(CODE.search(name) for name in names),
        is_monospaced=bool(fonts and fonts[0] and MONOSPACED.search(fonts[0])),
    )


def _numbering(chain: list[Element]) -> tuple[str, int] | None:
    depth = next(filter(None, (value_at(one, "pPr/numPr/ilvl") for one in chain)), "")
    found = next(filter(None, (value_at(one, "pPr/numPr/numId") for one in chain)), "")
    return (found, whole_number(depth, otherwise=0)) if found else None
