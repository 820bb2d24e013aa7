"""What a file is: its bytes beat its name, and a disagreement is said."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import orjson
import puremagic

from luthier.collect.encoding import encoding_of

HEAD_BYTES = 65_536
BY_NAME = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
SIGNATURES = (
    (b"PAR1", "parquet"),
    (b"%PDF-", "pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old office file"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"SQLite format 3\0", "sqlite"),
)
ZIP_MEMBERS = {"xl/workbook.xml": "xlsx", "xl/workbook.bin": "xlsb", "word/document.xml": "docx"}
ZIP_FOLDERS = {"ppt/": "pptx", "META-INF/": "zip"}
JSON_ARRAY = "a JSON array; save it as JSON Lines (one object per line), for example with: jq -c '.[]'"


@dataclass(frozen=True, slots=True)
class Identity:
    """A file's type, and how its text is encoded where it is text."""

    type: str
    """A key of READERS, another known type, or `unknown`."""
    encoding: str | None = None
    note: str = ""
    """What the ledger shall say: a disagreement between name and content, an unusual encoding."""
    problem: str = ""
    """Why the file cannot be read, else empty."""
    is_broken: bool = False
    """True: the name promises a type that the bytes are not. False: a type that nobody reads."""


def identify(path: Path) -> Identity:
    """Tell a file's type from its bytes, and from its name where the bytes leave it open. OSError if unreadable."""
    named = BY_NAME.get(path.suffix.lower())
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    encoding = None if head.startswith((b"PAR1", b"PK\x03\x04", b"%PDF-")) else encoding_of(path)
    if encoding is None:
        return _identify_binary(path, head, named)
    return _identify_text(path, head.decode(encoding, errors="ignore"), named=named, encoding=encoding)


def _identify_text(path: Path, head: str, *, named: str | None, encoding: str) -> Identity:
    actual = _text_type(head, named)
    notes = [] if encoding in {"utf-8", "utf-8-sig"} else [f"not UTF-8; read as {encoding}"]
    if actual == "json":
        return Identity(actual, encoding, problem=JSON_ARRAY)
    if actual is None:
        suffix = f"'{path.suffix}'" if path.suffix else "without an extension"
        return Identity("unknown", encoding, problem=f"no reader for files {suffix}")
    if named is not None and actual != named and (named, actual) != ("json", "jsonl"):
        notes.append(f"named {path.suffix} but holds {actual}")
    return Identity(actual, encoding, note="; ".join(notes))


def _text_type(head: str, named: str | None) -> str | None:
    start = head.lstrip()[:200].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "html"
    if named in {None, "html", "markdown"}:
        return named
    lines = head.splitlines()
    first = next((line for line in lines if line.strip()), "")
    # A first line cut off by HEAD_BYTES cannot be parsed; its brace has to do.
    if first.lstrip().startswith("{") and (_is_object(first) or len(lines) == 1 or named in {"jsonl", "json"}):
        return "jsonl"
    if named == "jsonl" and start.startswith("["):
        return "json"
    return "text" if named in {"parquet", "xlsx"} else named


def _is_object(line: str) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _identify_binary(path: Path, head: bytes, named: str | None) -> Identity:
    actual = _binary_type(path, head)
    if actual in {"parquet", "xlsx"}:
        return Identity(actual, note="" if named == actual else f"named {path.suffix or 'nothing'} but holds {actual}")
    if named is not None:
        what = "binary data of no known kind" if actual == "unknown" else actual
        return Identity(
            actual, problem=f"named {path.suffix} but holds {what}; save it again as {named}", is_broken=True
        )
    return Identity(actual, problem="no reader for this kind of file")


def _binary_type(path: Path, head: bytes) -> str:
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(path)
    try:
        guesses = puremagic.magic_string(head[:8_192])
    except (puremagic.PureError, ValueError):
        return "unknown"
    # Shorter signatures, and runs of zeros, fit any bytes too often.
    telling = (guess for guess in guesses if len(guess.byte_match) >= 4 and len(set(guess.byte_match)) > 1)
    sure = next((guess for guess in telling if guess.extension), None)
    return str(sure.extension).lstrip(".") if sure else "unknown"


def _zip_type(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return "damaged zip"
    for name, kind in ZIP_MEMBERS.items():
        if name in members:
            return kind
    return next(
        (kind for prefix, kind in ZIP_FOLDERS.items() if any(name.startswith(prefix) for name in members)), "zip"
    )
