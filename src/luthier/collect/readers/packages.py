"""Zip packages (Office, OpenDocument, EPUB): what may be handed to a parser, and what is refused before one sees it."""

import mmap
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn
from xml.parsers import expat

from luthier.collect.reading import UnreadableError

MOST_MEMBERS = 10_000
MOST_EXPANDED = 1 << 30
"""Bytes of all members together."""
MOST_XML = 256 << 20
"""Bytes of one XML part."""
RATIO_FROM = 10 << 20
MOST_RATIO = 100
"""Bytes expanded for one byte packed, judged once a member passes `RATIO_FROM`."""
BLOCK = 1 << 20
IS_ENCRYPTED = 0x1
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
XML_NAMES = (".xml", ".rels", ".vml", ".opf", ".ncx")
BYTE_ORDER_MARKS = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


class _RootReachedError(Exception):
    """The prolog of an XML part is over."""


@contextmanager
def open_package(path: Path, *, plain_doctype: bool = False) -> Iterator[zipfile.ZipFile]:
    """Open a package after checking all of it.

    Raises UnreadableError for no zip, a damaged or encrypted one, one that expands too far, and XML with a document
    type declaration; `plain_doctype` lets those pass that declare nothing themselves (EPUB needs them).
    """
    if starts_ole(path):
        raise UnreadableError("in the Office format of before 2007; save it in the current format")
    try:
        with zipfile.ZipFile(path) as package:
            members = package.infolist()
            _check_sizes(members)
            for member in members:
                _check_member(package, member, plain_doctype=plain_doctype)
            yield package
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error, OverflowError) as error:
        raise UnreadableError(f"damaged or incomplete file: {error}") from error


def starts_ole(path: Path) -> bool:
    """True if the file is an OLE container, as before 2007. Raises UnreadableError if a password seals it."""
    with path.open("rb") as stream:
        if stream.read(len(OLE)) != OLE:
            return False
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(ENCRYPTED_STREAM) >= 0:
                raise UnreadableError("protected by a password; save it without one")
    return True


def _check_sizes(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise UnreadableError(f"{len(members):,} members in one file; accepted are {MOST_MEMBERS:,}")
    expanded = sum(member.file_size for member in members)
    if expanded > MOST_EXPANDED:
        raise UnreadableError(f"expands to {expanded:,} bytes; accepted are {MOST_EXPANDED:,}")
    for member in members:
        if member.flag_bits & IS_ENCRYPTED:
            raise UnreadableError("protected by a password; save it without one")
        if member.file_size > RATIO_FROM and member.file_size > MOST_RATIO * max(1, member.compress_size):
            raise UnreadableError(f"{member.filename} expands more than {MOST_RATIO}-fold, like a zip bomb")


def _check_member(package: zipfile.ZipFile, member: zipfile.ZipInfo, *, plain_doctype: bool) -> None:
    with package.open(member) as stream:
        head = stream.read(BLOCK)
        if not (member.filename.lower().endswith(XML_NAMES) or head[:64].lstrip(BYTE_ORDER_MARKS).startswith(b"<")):
            return
        if member.file_size > MOST_XML:
            raise UnreadableError(f"{member.filename} holds {member.file_size:,} bytes; accepted are {MOST_XML:,}")
        # EPUB chapters go to the HTML parser, which knows no declarations.
        if not (plain_doctype and member.filename.lower().endswith((".html", ".htm", ".xhtml"))):
            _check_prolog(head, stream, name=member.filename, plain_doctype=plain_doctype)
        # zipfile compares sizes and checksum only when it comes to the end.
        while stream.read(BLOCK):
            pass


def _check_prolog(head: bytes, stream: IO[bytes], *, name: str, plain_doctype: bool) -> None:
    def refuse(_root: str, _system: str | None, _public: str | None, has_own_declarations: int) -> None:
        if has_own_declarations or not plain_doctype:
            raise UnreadableError(f"{name} declares a document type or entities, which no program writes: refused")

    def stop(_name: str, _attributes: dict[str, str]) -> NoReturn:
        raise _RootReachedError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = stop
    block = head
    try:
        while block:
            parser.Parse(block, False)
            block = stream.read(BLOCK)
    except _RootReachedError:
        return
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableError(f"{name} is damaged: {error}") from error
