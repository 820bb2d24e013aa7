"""EPUB: the chapters of the spine in order, each read as a page of HTML."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from luthier.collect.encoding import SAMPLE_BYTES, guess_encoding
from luthier.collect.readers.draft import Draft
from luthier.collect.readers.html import read_page
from luthier.collect.readers.office_xml import Element, Parts, local_name
from luthier.collect.readers.packages import open_package
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
FONT_OBFUSCATION = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
CONTENTS_KIND = "application/x-dtbncx+xml"
DECLARED = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([\w-]+)["']""")
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the book."""

    name: str
    kind: str
    properties: str


def read(source: Source) -> Iterator[Document]:
    """The one document of a book."""
    with open_package(source.path, plain_doctype=True) as package:
        parts = Parts(package)
        _refuse_protected(parts)
        name = _package_file(parts)
        tree = parts.tree(name)
        items = _items(tree, posixpath.dirname(name))
        chapters = [items[one.get("idref")] for one in _below(tree, "itemref") if one.get("idref") in items]
        if not chapters:
            raise UnreadableError("no chapters in the book; it may be damaged")
        titles = _titles(parts, items.values())
        whole, pages = Draft(), []
        for number, chapter in enumerate(chapters, start=1):
            text = _decoded(parts.content(chapter.name), chapter.name)
            part, page, _ = read_page(text, place=f"chapter {number}")
            if part.text and not part.headings and chapter.name in titles:
                whole.place(f"chapter {number}")
                whole.heading(titles[chapter.name], level=1)
            whole.append(part)
            pages.append(page)
        title = next((one.text for one in _below(tree, "title") if one.text), "")
        yield whole.document(source, kind="epub", title=title, pages=pages)


def _refuse_protected(parts: Parts) -> None:
    if ENCRYPTION in parts:
        methods = {one.get("Algorithm") for one in _below(parts.tree(ENCRYPTION), "EncryptionMethod")}
        if methods - FONT_OBFUSCATION:
            raise UnreadableError("protected by a reading licence (DRM); use a copy without it")


def _package_file(parts: Parts) -> str:
    for one in _below(parts.tree(CONTAINER), "rootfile"):
        return str(one.get("full-path") or "")
    raise UnreadableError("the book names no package file; it may be damaged")


def _items(tree: Element, folder: str) -> dict[str | None, Item]:
    return {
        one.get("id"): Item(
            name=_resolve(folder, one.get("href") or ""),
            kind=one.get("media-type") or "",
            properties=one.get("properties") or "",
        )
        for one in _below(tree, "item")
    }


def _titles(parts: Parts, items: Iterable[Item]) -> dict[str, str]:
    """Chapter file -> its first title in the table of contents."""
    titles: dict[str, str] = {}
    for item in items:
        is_contents = item.kind == CONTENTS_KIND or "nav" in item.properties.split()
        for target, title in _links(parts.tree(item.name)) if is_contents and item.name in parts else ():
            titles.setdefault(_resolve(posixpath.dirname(item.name), target), " ".join(title.split()))
    return titles


def _links(tree: Element) -> Iterator[tuple[str, str]]:
    """(target, title) of the entries of a table of contents: of EPUB 3, then of EPUB 2."""
    for link in _below(tree, "a"):
        yield link.get("href") or "", "".join(link.itertext())
    for point in _below(tree, "navPoint"):
        target = next((one.get("src") for one in _below(point, "content")), "")
        yield target or "", next(("".join(one.itertext()) for one in _below(point, "navLabel")), "")


def _decoded(content: bytes, name: str) -> str:
    declared = DECLARED.search(content)
    wanted = "utf-16" if content.startswith(BYTE_ORDER_MARKS) else "utf-8-sig"
    guesses = [wanted, declared.group(1).decode("ascii") if declared else "", guess_encoding(content[:SAMPLE_BYTES])]
    for encoding in filter(None, guesses):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    raise UnreadableError(f"{name} is in no known encoding; the book may be damaged")


def _below(tree: Element, name: str) -> Iterator[Element]:
    return (one for one in tree.iter() if local_name(one) == name)


def _resolve(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))
