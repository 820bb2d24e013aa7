"""Text of a Word paragraph: what a reader of the final version sees, in order."""

from collections import Counter
from collections.abc import Iterator

from luthier.collect.readers.draft import raised
from luthier.collect.readers.office_xml import HIDDEN, Element, M, W, characters_of, keep_one_alternative

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


def prune(root: Element, cut: Counter[str]) -> None:
    """Take out of the tree what the final version does not show, and count its characters."""
    keep_one_alternative(root, texts=TEXTS)
    for element in list(root.iter(f"{W}del", f"{W}moveFrom")):
        parent = element.getparent()
        if parent.tag == f"{W}trPr":
            element = parent.getparent()
        elif parent.tag == f"{W}rPr":
            continue
        _remove(element, cut, DELETED)
    for run in list(root.iter(f"{W}r")):
        if _is_hidden(run):
            _remove(run, cut, HIDDEN)


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
    """The pieces of a paragraph: text, and the elements that are more than text (notes, text boxes, drawings)."""
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
        elif tag in {f"{W}footnoteReference", f"{W}endnoteReference", f"{W}txbxContent"}:
            yield child
        elif isinstance(tag, str) and not tag.endswith("Pr"):
            yield from inline(child)


def formula(element: Element) -> str:
    """A formula on one line: a / b, x ^ 2, sqrt x."""
    signs = {"f": " / ", "sSup": " ^ ", "sSub": " _ "}
    name = element.tag.removeprefix(M) if isinstance(element.tag, str) else ""
    if name == "t":
        return element.text or ""
    parts = [part for part in map(formula, element) if part.strip()]
    joined = signs.get(name, " ").join(parts)
    return f"√ {joined}" if name == "rad" else joined


def _remove(element: Element, cut: Counter[str], reason: str) -> None:
    parent = element.getparent()
    if parent is None:
        return
    characters = characters_of(element, TEXTS)
    if characters:
        cut[reason] += characters
    parent.remove(element)


def _run_text(element: Element) -> str:
    align = element.find(f"../{W}rPr/{W}vertAlign")
    text = element.text or ""
    return raised(text) if align is not None and align.get(f"{W}val") == "superscript" else text


def _is_hidden(run: Element) -> bool:
    look = run.find(f"{W}rPr")
    if look is None:
        return False
    vanish, size, colour = (look.find(f"{W}{name}") for name in ("vanish", "sz", "color"))
    if vanish is not None and vanish.get(f"{W}val") not in {"0", "false", "off"}:
        return True
    if size is not None and (size.get(f"{W}val") or "").isdigit() and int(size.get(f"{W}val")) <= TINY_HALF_POINTS:
        return True
    # In tables and shapes a style may lie behind white letters.
    is_white = colour is not None and (colour.get(f"{W}val") or "").upper() in WHITE
    return is_white and not _has_background(run)


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
    code = int(element.get(f"{W}char") or "0", 16) & 0xFF
    known = (element.get(f"{W}font") or "").lower() == "symbol"
    return SYMBOL_FONT.get(chr(code), "\ufffd") if known else "\ufffd"
