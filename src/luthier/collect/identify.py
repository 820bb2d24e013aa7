"""What a file is: its bytes beat its name, and a disagreement is said."""

import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import orjson
import puremagic

from luthier.collect.encoding import encoding_of
from luthier.collect.kinds import (
    BINARY_TYPES,
    BY_NAME,
    BY_WHOLE_NAME,
    OLE_START,
    OLE_STREAMS,
    SIGNATURES,
    ZIP_MEMBERS,
    ZIP_MIMES,
    ZIP_STARTS,
)

HEAD_BYTES = 65_536
OLE_BYTES = 32 << 20
TAR_MAGIC = slice(257, 262)
MAN = re.compile(r"^[.']\s*(TH|Dd|SH|Sh)\b", re.MULTILINE)
MAIL_FIELD = re.compile(
    r"^(From|To|Cc|Date|Subject|Received|Return-Path|Message-ID|MIME-Version|Delivered-To|Reply-To|Content-Type):",
    re.MULTILINE | re.IGNORECASE,
)
MAIL_FIELDS = 3
"""Different header fields that make a text without a telling name a mail."""
MBOX = re.compile(r"^From \S+ .*\d{4}\s*$")
TAG = re.compile(r"(?:O|[BIESLU]-\S+)$")
TAGGED_LINES = 200
TAGGED_SHARE = 0.9
TOLERANT = frozenset({None, "text", "tsv", "csv", "code"})
"""Names that promise so little that the content may say otherwise."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A file's type, and how its text is encoded where it is text."""

    type: str
    """A key of READERS, a container, another known type, or `unknown`."""
    encoding: str | None = None
    note: str = ""
    """What the ledger shall say: a disagreement between name and content, an unusual encoding."""
    problem: str = ""
    """Why the file cannot be read, else empty."""
    is_broken: bool = False
    """True: the name promises a type that the bytes are not. False: a type that nobody reads."""


def type_by_name(name: str) -> str | None:
    """The type that a file's name promises, None if it promises nothing."""
    pure = PurePosixPath(urlsplit(name).path if "://" in name else name)
    return BY_NAME.get(pure.suffix.lower()) or BY_WHOLE_NAME.get(pure.name.lower())


def identify(path: Path, *, name: str = "") -> Identity:
    """Tell a file's type from its bytes, and from its name where the bytes leave it open. OSError if unreadable.

    `name` is given where `path` is not what the file is called, as for a member of an archive.
    """
    name = name or path.name
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    # Without files a TAR is nothing but zeros.
    actual = _known_binary(path, head) or ("tar" if type_by_name(name) == "tar" and not any(head) else None)
    encoding = None if actual else encoding_of(path)
    if encoding is None:
        return _identify_binary(name, actual or _guess_binary(head))
    return _identify_text(name, head.decode(encoding, errors="ignore"), encoding=encoding)


def _identify_text(name: str, head: str, *, encoding: str) -> Identity:
    named = type_by_name(name)
    suffix = PurePosixPath(name).suffix
    actual = _text_type(head, named)
    notes = [] if encoding in {"utf-8", "utf-8-sig"} else [f"not UTF-8; read as {encoding}"]
    if actual is None:
        shown = f"'{suffix}'" if suffix else "without an extension"
        return Identity("unknown", encoding, problem=f"no reader for files {shown}")
    if named is not None and actual != named and (named, actual) not in {("json", "jsonl"), ("json", "ipynb")}:
        notes.append(f"named {suffix} but holds {actual}")
    return Identity(actual, encoding, note="; ".join(notes))


def _text_type(head: str, named: str | None) -> str | None:
    start = head.lstrip()[:200].lower()
    if start.startswith(("<!doctype html", "<html")) or (named == "html" and "<" in start):
        return "html"
    if start.startswith("<?xml") and named in {*TOLERANT, "html", "xml"}:
        return "html" if "<html" in head[:4_096].lower() else "svg" if "<svg" in head[:4_096].lower() else "xml"
    if start.startswith(("begin:vcalendar", "begin:vcard")):
        return "calendar or contacts"
    if named in {"man", None} and MAN.search(head):
        return "man"
    if named == "man" or named in BINARY_TYPES:
        named = None if named == "man" else "text"
    return _json_type(head, named) or _line_type(head, named) or named


def _json_type(head: str, named: str | None) -> str | None:
    if named not in {"json", "jsonl", "ipynb", *TOLERANT} or named == "code":
        return None
    lines = head.splitlines()
    first = next((line for line in lines if line.strip()), "").lstrip()
    if named in {"json", "ipynb"}:
        if named == "ipynb" or ('"nbformat"' in head and '"cells"' in head):
            return "ipynb"
        others = [line for line in lines if line.strip()][1:2]
        is_lines = _is_object(first) and bool(others) and others[0].lstrip().startswith("{")
        return "jsonl" if is_lines else "json"
    if named == "jsonl" and first.startswith("["):
        return "json"
    # A first line cut off by HEAD_BYTES cannot be parsed; its brace has to do.
    is_row = first.startswith("{") and (_is_object(first) or len(lines) == 1 or named == "jsonl")
    return "jsonl" if is_row else None


def _line_type(head: str, named: str | None) -> str | None:
    if named not in {None, "text", "tsv"}:
        return None
    first = head.split("\n", 1)[0]
    fields = {match.group(1).lower() for match in MAIL_FIELD.finditer(head.split("\n\n", 1)[0])}
    if named != "tsv" and MBOX.match(first):
        return "mbox"
    if named != "tsv" and MAIL_FIELD.match(head) and len(fields) >= MAIL_FIELDS:
        return "eml"
    return "conll" if _is_tagged(head) else None


def _is_tagged(head: str) -> bool:
    lines = [line.split() for line in head.splitlines()[:TAGGED_LINES] if line.strip()]
    tagged = [line for line in lines if len(line) > 1 and TAG.match(line[-1])]
    return len(tagged) > 1 and len(tagged) >= TAGGED_SHARE * len(lines) and any(line[-1] != "O" for line in tagged)


def _is_object(line: str) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _identify_binary(name: str, actual: str) -> Identity:
    named, suffix = type_by_name(name), PurePosixPath(name).suffix
    if actual in BINARY_TYPES:
        is_same = named == actual or (named in {"gz", "bz2", "xz"} and actual == "tar")
        return Identity(actual, note="" if is_same else f"named {suffix or 'nothing'} but holds {actual}")
    if named is not None:
        what = "binary data of no known kind" if actual == "unknown" else actual
        problem = f"named {suffix or PurePosixPath(name).name} but holds {what}; save it again as {named}"
        return Identity(actual, problem=problem, is_broken=True)
    return Identity(actual, problem="no reader for this kind of file")


def _known_binary(path: Path, head: bytes) -> str | None:
    if head.startswith(ZIP_STARTS):
        return _zip_type(path)
    if head.startswith(OLE_START):
        return _ole_type(path)
    if b"%PDF-" in head[:1_024]:
        return "pdf"
    if head[TAR_MAGIC] == b"ustar" or _is_old_tar(head):
        return "tar"
    return next((kind for signature, kind in SIGNATURES if head.startswith(signature)), None)


def _guess_binary(head: bytes) -> str:
    try:
        guesses = puremagic.magic_string(head[:8_192])
    except (puremagic.PureError, ValueError):
        return "unknown"
    # Shorter signatures, and runs of zeros, fit any bytes too often.
    telling = (guess for guess in guesses if len(guess.byte_match) >= 4 and len(set(guess.byte_match)) > 1)
    sure = next((guess for guess in telling if guess.extension), None)
    # A type that we read has been told by its own bytes above; a weaker sign of it proves nothing.
    found = str(sure.extension).lstrip(".") if sure else "unknown"
    return "unknown" if found in BINARY_TYPES else found


def _zip_type(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return _package_type(archive)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, RuntimeError, struct.error, zlib.error):
        return "damaged zip"


def _package_type(archive: zipfile.ZipFile) -> str:
    members = set(archive.namelist())
    if "mimetype" in members:
        with archive.open("mimetype") as stream:
            kind = ZIP_MIMES.get(stream.read(100).strip())
        if kind is not None:
            return kind
    return next((kind for member, kind in ZIP_MEMBERS.items() if member in members), "zip")


def _ole_type(path: Path) -> str:
    with path.open("rb") as stream:
        content = stream.read(OLE_BYTES)
    found = (kind for name, kind in OLE_STREAMS if name.encode("utf-16-le") + b"\0\0" in content)
    return next(found, "old office file")


def _is_old_tar(head: bytes) -> bool:
    """True for the tar of 1979, which has no magic: the header's checksum is right."""
    if len(head) < 512 or not head[0] or head[148:156].strip(b" \0") == b"":
        return False
    try:
        wanted = int(head[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return sum(head[:148]) + 8 * 32 + sum(head[156:512]) == wanted
