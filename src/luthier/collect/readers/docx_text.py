"""Text of a Word paragraph: what a reader of the final version sees, in order."""

import re
from collections import Counter
from collections.abc import Iterator

from luthier.collect.readers.draft import raised
from luthier.collect.readers.drawings import DRAWINGS
from luthier.collect.readers.office_xml import (
    HIDDEN,
    Element,
    M,
    W,
    characters_of,
    formula,
    keep_one_alternative,
    value_at,
    whole_number,
)

TEXTS = (f"{W}t", f"{W}delText", f"{M}t")
DELETED = "deleted text"
TINY_HALF_POINTS = 4
WHITE = {"FFFFFF", "FEFEFE"}
SIGNS = {f"{W}tab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": "\t"}
SYMBOL_FONT = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\u00a3\u00ac\u00ae\u00b0\u00b1\u00b3\u00b4\u00b7\u00b9\u00d6",
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ≤←→°±≥×•≠√",
        strict=True,
    )
)
UNKNOWN = "\ufffd"


def prune(root: Element, cut: Counter[str]) -> None:
    """Take out of the tree what the final version does not show, and count its characters."""
    keep_one_alternative(root, texts=TEXTS)
    for element in list(root.iter(f"{W}del", f"{W}moveFrom")):
        parent = element.getparent()
        if parent.tag == f"{W}trPr":
            element = parent.getparent()
        elif parent.tag == f"{W}rPr":
            continue
        _remove(element, root, cut=cut, reason=DELETED)
    for run in list(root.iter(f"{W}r")):
        if _is_hidden(run):
            _remove(run, root, cut=cut, reason=HIDDEN)


def reference_text(root: Element) -> str:
    """Every text run below an element, paragraphs on their own lines: what a faithful reading must hold."""
    pieces: list[str] = []
    for element in root.iter():
        if element.tag == f"{W}t":
            pieces.append(_run_text(element))
        elif element.tag == f"{M}t":
            pieces += [" ", element.text or "", " "]
        elif element.tag == f"{W}sym":
            pieces.append(_symbol(element))
        elif element.tag == f"{W}p":
            pieces.append("\n")
        elif element.tag in {f"{W}footnoteReference", f"{W}endnoteReference"}:
            pieces.append(" ")
        elif element.tag in SIGNS and element.getparent().tag == f"{W}r":
            pieces.append(SIGNS[element.tag])
    return "".join(pieces)


def inline(element: Element) -> Iterator[str | Element]:
    """The pieces of a paragraph: text, and the elements that are more than text (notes, text boxes, charts)."""
    for child in element:
        tag = child.tag
        if tag == f"{W}t":
            yield _run_text(child)
        elif tag in SIGNS and element.tag == f"{W}r":
            yield SIGNS[tag]
        elif tag == f"{W}sym":
            yield _symbol(child)
        elif tag == f"{M}oMath":
            yield f" {formula(child)} "
        elif tag in {f"{W}footnoteReference", f"{W}endnoteReference", f"{W}txbxContent", *DRAWINGS}:
            yield child
        elif isinstance(tag, str) and not tag.endswith("Pr"):
            yield from inline(child)


def _remove(element: Element, root: Element, *, cut: Counter[str], reason: str) -> None:
    # What went along with an element around it is counted already.
    if all(above is not root for above in element.iterancestors()):
        return
    if characters := characters_of(element, TEXTS):
        cut[reason] += characters
    element.getparent().remove(element)


def _run_text(element: Element) -> str:
    text = element.text or ""
    return raised(text) if value_at(element.getparent(), "rPr/vertAlign") == "superscript" else text


def _is_hidden(run: Element) -> bool:
    look = run.find(f"{W}rPr")
    if look is None:
        return False
    vanish = look.find(f"{W}vanish")
    if vanish is not None and vanish.get(f"{W}val") not in {"0", "false", "off"}:
        return True
    if whole_number(value_at(look, "sz"), otherwise=TINY_HALF_POINTS + 1) <= TINY_HALF_POINTS:
        return True
    # In tables and shapes a style may lie behind white letters.
    return value_at(look, "color").upper() in WHITE and not _has_background(run)


def _has_background(run: Element) -> bool:
    if run.find(f"{W}rPr/{W}highlight") is not None or run.find(f"{W}rPr/{W}shd") is not None:
        return True
    for above in run.iterancestors():
        if above.tag in {f"{W}tbl", f"{W}txbxContent"} or above.find(f"{W}background") is not None:
            return True
        if above.tag == f"{W}p" and (
            above.find(f"{W}pPr/{W}shd") is not None or above.find(f"{W}pPr/{W}pStyle") is not None
        ):
            return True
    return False


def _symbol(element: Element) -> str:
    # The last two hexadecimal digits are the place in the font; the others say that it is a private one.
    code, is_known = element.get(f"{W}char") or "", (element.get(f"{W}font") or "").lower() == "symbol"
    if not is_known or not re.fullmatch("[0-9A-Fa-f]{2,4}", code):
        return UNKNOWN
    return SYMBOL_FONT.get(chr(int(code[-2:], 16)), UNKNOWN)
