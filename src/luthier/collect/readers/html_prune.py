"""What a page does not show, and what is not its content: taken out of the tree and counted."""

import re
from collections import Counter

from luthier.collect.readers.html_text import HEADINGS, Element

HIDDEN, FURNITURE, CONTROLS, DRAWINGS = "hidden text", "navigation and page furniture", "form controls", "drawings"
SILENT = frozenset(
    {"script", "style", "noscript", "template", "head", "link", "meta", "iframe", "object", "embed", "canvas"}
    | {"audio", "video"}
)
CONTROL_TAGS = frozenset({"button", "input", "select", "textarea", "datalist", "option"})
FURNITURE_TAGS = frozenset({"nav", "header", "footer", "aside"})
FURNITURE_ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "complementary", "search", "menu", "menubar", "toolbar"}
)
WHOLE_PAGE = frozenset({"html", "body", "main", "article"})
FURNITURE_NAME = re.compile(
    r"nav(?:bar|header|footer|igation|links?|menu)?|(?:site|page|main|top|global|side|sphinx)[-_]?(?:nav|navigation|"
    r"header|footer|menu|bar|sidebar)|sidebar|breadcrumbs?|skip-?(?:link|nav|to-content)|cookie-?(?:banner|notice|"
    r"consent|bar)|related|pagination|pager|prev-?next|header-?link|anchor-?link|edit-?(?:this-?)?page|toolbar|"
    r"social(?:-links)?|footer|menu|lineno[s]?|linenodiv|gutter|line-numbers-rows",
    re.IGNORECASE,
)
NOTE_NAME = re.compile(
    r"(?:.*[-_])?(?:(?:foot|end|rear)?notes?|notecard|warning|caution|important|tip|hint|danger|admonition|callout)"
    r"(?:[-_].*)?",
    re.IGNORECASE,
)
"""Asides that belong to the text: manuals mark their notes so."""
UNSEEN_NAME = re.compile(r"sr-only|visually-?hidden|screen-reader(?:-text|s?)|katex-html", re.IGNORECASE)
NAMING = ("class", "id", "role", "epub:type", "{http://www.idpf.org/2007/ops}type")
PERMALINKS = frozenset({"¶", "#", "§", "🔗"})
MOST_FURNITURE = 0.5
"""An element that only its name calls furniture is kept if it holds more than this share of the page's characters."""


def prune(root: Element, cut: Counter[str]) -> None:
    """Take out of a page (its `html` element) what is hidden, then navigation, asides and controls."""
    has_stylesheet = any(
        "stylesheet" in (one.get("rel") or "") or one.tag == "style" for one in root.iter("link", "style")
    )
    for element in list(root.iter(*SILENT)):
        _drop(element)
    for element in list(root.iter()):
        if _is_hidden(element) or (not has_stylesheet and _has_colour_of_ground(element)):
            _cut(element, cut, HIDDEN)
    whole = len(flat(root))
    for element in list(root.iter()):
        _prune_furniture(element, cut, most=MOST_FURNITURE * whole)


def flat(element: Element) -> str:
    """All text below an element, white space folded."""
    return " ".join("".join(element.itertext()).split())


def _prune_furniture(element: Element, cut: Counter[str], *, most: float) -> None:
    if element.tag in CONTROL_TAGS:
        _cut(element, cut, CONTROLS)
    elif element.tag in {"svg", "map"}:
        _cut(element, cut, DRAWINGS)
    elif element.tag in {"annotation", "annotation-xml"}:
        _drop(element)
    elif _is_furniture(element) or (_is_named(element, FURNITURE_NAME) and _may_go(element, most)):
        _cut(element, cut, FURNITURE)


def _is_furniture(element: Element) -> bool:
    if element.tag == "header":
        return not _has_heading(element)
    if element.tag == "aside":
        return not _is_named(element, NOTE_NAME)
    is_permalink = element.tag == "a" and flat(element) in PERMALINKS
    return is_permalink or element.tag in FURNITURE_TAGS or (element.get("role") or "") in FURNITURE_ROLES


def _may_go(element: Element, most: float) -> bool:
    return element.tag not in WHOLE_PAGE and not _has_heading(element) and len(flat(element)) <= most


def _has_heading(element: Element) -> bool:
    return next(element.iter(*HEADINGS), None) is not None


def _is_named(element: Element, pattern: re.Pattern[str]) -> bool:
    names = " ".join(element.get(name) or "" for name in NAMING)
    return any(pattern.fullmatch(name) for name in names.split())


def _is_hidden(element: Element) -> bool:
    if element.get("hidden") is not None or _is_named(element, UNSEEN_NAME):
        return True
    if element.tag == "dialog":
        return element.get("open") is None
    return _hides(_style(element), element)


def _hides(style: dict[str, str], element: Element) -> bool:
    if not style:
        return False
    if style.get("display") == "none" or _number(style.get("opacity", "1")) < 0.05:
        return True
    if style.get("visibility") in {"hidden", "collapse"} and not _is_undone(element, "visibility"):
        return True
    if _pixels(style.get("font-size", "")) < 3 and not _is_undone(element, "font-size"):
        return True
    is_far = any(_pixels(style.get(side, "")) < -900 for side in ("left", "top", "right", "text-indent", "margin-left"))
    is_clipped = style.get("overflow") == "hidden" and any(
        _pixels(style.get(side, "")) < 2 for side in ("width", "height", "max-height", "max-width")
    )
    return is_far or is_clipped or re.sub(r"(px|\s|,)", "", style.get("clip", "")) in {"rect(0000)", "rect(1111)"}


def _has_colour_of_ground(element: Element) -> bool:
    """True for letters in the colour that lies behind them, as far as the page itself says so."""
    colour = _colour(_style(element).get("color") or (element.get("color") if element.tag == "font" else "") or "")
    if not colour or _is_undone(element, "color"):
        return False
    for one in [element, *element.iterancestors()]:
        style = _style(one)
        ground = style.get("background-color") or style.get("background") or one.get("bgcolor") or ""
        if ground:
            return colour == _colour(ground)
    return colour in {"ffffff", "transparent"}


def _style(element: Element) -> dict[str, str]:
    declarations = (part.partition(":") for part in (element.get("style") or "").split(";"))
    pairs = ((name.strip().lower(), value.lower().replace("!important", "").strip()) for name, _, value in declarations)
    return {name: value for name, value in pairs if name}


def _is_undone(element: Element, name: str) -> bool:
    return any(name in _style(below) for below in element.iterdescendants() if below.get("style"))


def _number(text: str) -> float:
    try:
        return float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return 1.0


def _pixels(length: str) -> float:
    """A CSS length in pixels, roughly; a length that is not understood is large."""
    match = re.fullmatch(r"(-?\d*\.?\d+)(px|pt|em|rem|ex|%|vw|vh|cm|mm|in)?", length.strip())
    if match is None:
        return 1_000
    unit = {"em": 16, "rem": 16, "ex": 8, "%": 0.16, "vw": 10, "vh": 10, "cm": 38, "mm": 3.8, "in": 96, "pt": 1.33}
    return float(match.group(1)) * unit.get(match.group(2) or "px", 1)


COLOURS = {"white": "ffffff", "black": "000000", "red": "ff0000", "yellow": "ffff00", "blue": "0000ff"}


def _colour(text: str) -> str:
    """A colour as six hexadecimal digits, `transparent`, or as it was written."""
    text = text.strip()
    if match := re.match(r"#([0-9a-f]{3})\b|#([0-9a-f]{6})\b", text):
        return "".join(2 * digit for digit in match.group(1)) if match.group(1) else str(match.group(2))
    if match := re.match(r"rgba?\(\s*(\d+)[,\s]+(\d+)[,\s]+(\d+)\s*(?:[,/]\s*([\d.]+)\s*)?\)", text):
        if match.group(4) and float(match.group(4)) == 0:
            return "transparent"
        return "".join(f"{min(255, int(part)):02x}" for part in match.groups()[:3])
    return COLOURS.get(text.split(" ")[0], text)


def _cut(element: Element, cut: Counter[str], reason: str) -> None:
    # What was cut along with an element around it hangs below no page any more.
    if element.tag == "body" or all(above.tag != "html" for above in element.iterancestors()):
        return
    if characters := len(flat(element)):
        cut[reason] += characters
    _drop(element)


def _drop(element: Element) -> None:
    # The text behind a block stays apart from the word before it.
    element.tail = f" {element.tail}" if element.tail and element.tag not in {"a", "span"} else element.tail
    element.drop_tree()
