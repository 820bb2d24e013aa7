"""Running text of a page: what is inline, what breaks a line, and what formulas look like."""

import re
from collections.abc import Callable
from typing import Any

from lxml import etree

from luthier.collect.readers.draft import raised

Element = Any
"""An lxml element; lxml has no types."""
BLOCK_TAGS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "legend",
        "li",
        "listing",
        "main",
        "menu",
        "nav",
        "ol",
        "optgroup",
        "p",
        "plaintext",
        "pre",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "xmp",
    }
)
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
SPACE = re.compile(r"[ \t\r\n\f\v\u00a0]+")
BREAK = "\u2028"
FORMULA_SIGNS = {"mfrac": " / ", "msup": " ^ ", "msub": " _ ", "munder": " _ ", "mover": " ^ "}


def flat_text(top: Element) -> str:
    """All text of an element, blocks and breaks as line ends, every line folded."""
    pieces: list[str] = []
    events = etree.iterwalk(top, events=("start", "end"))
    for event, element in events:
        if element.tag in BLOCK_TAGS:
            pieces.append(BREAK)
        if event == "end":
            pieces.append((element.tail or "") if element is not top else "")
        elif element.tag in LEAVES:
            pieces.append(LEAVES[element.tag](element))
            events.skip_subtree()
        else:
            pieces.append(element.text or "")
    return folded("".join(pieces))


def folded(text: str) -> str:
    """White space folded as a browser does; `BREAK` becomes a line end."""
    lines = (SPACE.sub(" ", line).strip() for line in text.split(BREAK))
    return "\n".join(line for line in lines if line)


def formula(element: Element) -> str:
    """MathML on one line: a / b, x ^ 2."""
    parts = [element.text or "", *(f"{formula(child)}" for child in element)]
    parts = [part.strip() for part in parts if part and part.strip()]
    text = FORMULA_SIGNS.get(element.tag, " ").join(parts)
    return f"√ {text}" if element.tag in {"msqrt", "mroot"} else text


def code_text(element: Element) -> str:
    """Text of preformatted code with its line ends; blocks inside it are lines."""
    text = element.text or ""
    for child in element:
        is_block = child.tag in BLOCK_TAGS
        text += "\n" if is_block and text and not text.endswith("\n") else ""
        text += "\n" if child.tag == "br" else code_text(child)
        text += "\n" if is_block and not text.endswith("\n") else ""
        text += child.tail or ""
    return text.replace("\u00a0", " ")


def _superscript(element: Element) -> str:
    return raised(folded("".join(element.itertext())))


LEAVES: dict[str, Callable[[Element], str]] = {
    "br": lambda _: BREAK,
    "sup": _superscript,
    "math": lambda element: f" {formula(element)} ",
}
"""Inline elements that turn into text as a whole."""
