"""Parts of a package: their trees, and in Office files the relationships from one to the next (ECMA-376 part 2)."""

import posixpath
import re
import zipfile
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from lxml import etree

from luthier.collect.reading import UnreadableError

Element = Any
"""An lxml element; lxml has no types."""
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
FORMULA_SIGNS = {"f": " / ", "sSup": " ^ ", "sSub": " _ "}
WHOLE = re.compile(r"-?\d{1,12}")
HIDDEN = "hidden text"
COMMENTS = "comments"


class Parts:
    """The XML parts of one package. Raises UnreadableError for parts that are missing or damaged."""

    def __init__(self, package: zipfile.ZipFile) -> None:
        self._package = package
        self._names = {name.lower(): name for name in package.namelist()}
        self._targets: dict[str, dict[str, tuple[str, str]]] = {}

    def main(self) -> str:
        """Name of the part that everything hangs on."""
        found = self.related("", "officeDocument")
        if not found:
            raise UnreadableError("no Office document in the package; it may be damaged")
        return found[0]

    def related(self, part: str, kind: str) -> list[str]:
        """Names of the existing parts that `part` points to with a kind of relationship, such as `styles`."""
        return [name for found, name in self._relationships(part).values() if found == kind and name in self]

    def target(self, part: str, relationship: str | None) -> str | None:
        """Name of the part behind a relationship id; None if it is missing or outside the package."""
        name = self._relationships(part).get(relationship or "", ("", ""))[1]
        return name if name in self else None

    def tree(self, name: str) -> Element:
        """Root element of a part; names of the strict dialect are turned into the usual ones."""
        content = STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/\2", self.content(name))
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
        try:
            return etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            raise UnreadableError(f"{name} is damaged: {error}") from error

    def content(self, name: str) -> bytes:
        """Bytes of a part."""
        if name not in self:
            raise UnreadableError(f"{name} is missing in the package; it may be damaged")
        return self._package.read(self._names[name.lower()])

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def _relationships(self, part: str) -> dict[str, tuple[str, str]]:
        if part not in self._targets:
            folder, name = posixpath.split(part)
            listing = posixpath.join(folder, "_rels", f"{name}.rels")
            self._targets[part] = {
                one.get("Id"): (posixpath.basename(one.get("Type") or ""), _resolve(folder, one.get("Target") or ""))
                for one in (self.tree(listing) if listing in self else ())
                if one.get("TargetMode") != "External"
            }
        return self._targets[part]


def keep_one_alternative(root: Element, *, texts: Sequence[str]) -> None:
    """Of alternative contents keep the first that holds text: programs show only one of them."""
    for choice in list(root.iter(f"{MC}AlternateContent")):
        alternatives = list(choice)
        telling = next((one for one in alternatives if characters_of(one, texts)), None)
        for one in alternatives if telling is not None else ():
            if one is not telling:
                choice.remove(one)


def formula(element: Element) -> str:
    """A formula on one line: a / b, x ^ 2, sqrt x."""
    name = element.tag.removeprefix(M) if isinstance(element.tag, str) else ""
    if name == "t":
        return element.text or ""
    parts = [part for part in map(formula, element) if part.strip()]
    joined = FORMULA_SIGNS.get(name, " ").join(parts)
    return f"√ {joined}" if name == "rad" else joined


def characters_of(element: Element, texts: Sequence[str]) -> int:
    """Characters of all text elements below an element."""
    return sum(len(text.text or "") for text in element.iter(*texts))


def core_title(parts: Parts) -> str:
    """The title among the properties of an Office file, empty without one."""
    for name in parts.related("", "core-properties"):
        for title in parts.tree(name).iter("{http://purl.org/dc/elements/1.1/}title"):
            return title.text or ""
    return ""


def value_at(element: Element, path: str) -> str:
    """The `val` of a Word property such as `pPr/numPr/ilvl`; empty without one."""
    child = element.find("/".join(f"{W}{name}" for name in path.split("/")))
    return (child.get(f"{W}val") or "") if child is not None else ""


def whole_number(text: str | None, *, otherwise: int) -> int:
    """A written whole number; what is missing or no number counts as `otherwise`."""
    return int(text) if text and WHOLE.fullmatch(text) else otherwise


def local_name(element: Element) -> str:
    """Tag without its namespace."""
    return str(etree.QName(element).localname)


def _resolve(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")
