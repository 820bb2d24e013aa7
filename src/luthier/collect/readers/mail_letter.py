"""One letter as it lies in a mail file: its fields, its text, and the files it carries."""

import email
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

from luthier.collect.encoding import guess_encoding

FIELDS = ("from", "to", "cc", "date", "subject", "message-id", "in-reply-to", "references")
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]+")
TELLING_SHARE = 2
"""The HTML side of a letter is taken where it holds more than this many times the letters of the plain side."""


@dataclass(slots=True)
class Letter:
    """What a letter holds."""

    fields: dict[str, str] = field(default_factory=dict)
    """Name in lower case -> decoded value; only those in FIELDS."""
    plain: str = ""
    html: str = ""
    """The text where it is only there, or much fuller, as HTML; else empty."""
    files: list[tuple[str, bytes]] = field(default_factory=list)
    """Attached files and letters, each under a name of its own."""


def parse_letter(content: bytes) -> Letter:
    """Parse a letter of RFC 5322 with MIME; damaged parts are taken as they are."""
    message = email.message_from_bytes(content)
    fields = {name: decoded(value) for name in FIELDS if (value := message.get(name)) is not None}
    letter = Letter(fields=fields)
    _take(message, letter)
    letter.files = named_apart(letter.files)
    if sum(map(str.isalpha, letter.plain)) * TELLING_SHARE >= sum(map(str.isalpha, re.sub("<[^>]*>", "", letter.html))):
        letter.html = ""
    return letter


def decoded(value: object) -> str:
    """A header's value with its encoded words read, on one line."""
    try:
        text = str(make_header(decode_header(str(value))))
    except (HeaderParseError, LookupError, ValueError):
        text = str(value)
    return " ".join(text.encode("utf-8", errors="replace").decode("utf-8").split())


def iso_date(value: str) -> str:
    """A mail date in ISO form; as it is where it cannot be read."""
    try:
        return parsedate_to_datetime(value).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return value


def named_apart(files: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The files under names without folders and control characters; a repeated name gets its number in brackets."""
    seen: dict[str, bytes] = {}
    for wanted, content in files:
        plain = FORBIDDEN.sub("_", wanted).strip(" .") or "part.bin"
        stem, dot, suffix = plain.rpartition(".")
        name, repeat = plain, 2
        while name in seen:
            name, repeat = f"{stem or suffix} ({repeat}){dot if stem else ''}{suffix if stem else ''}", repeat + 1
        seen[name] = content
    return list(seen.items())


def _take(part: "Message[str, str]", letter: Letter) -> None:
    kind = part.get_content_type()
    is_file = part.get_content_disposition() == "attachment" or part.get_filename() is not None
    if kind.startswith("message/") and part.is_multipart():
        letter.files.append((_name(part, ".eml"), _inner(part)))
    elif part.is_multipart():
        for child in _children(part):
            _take(child, letter)
    elif not is_file and kind == "text/plain":
        letter.plain += ("\n" if letter.plain else "") + _text(part)
    elif not is_file and kind == "text/html":
        letter.html += _text(part)
    else:
        letter.files.append((_name(part, mimetypes.guess_extension(kind) or ".bin"), _bytes(part)))


def _children(part: "Message[str, str]") -> Iterator["Message[str, str]"]:
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (child for child in payload if isinstance(child, Message))


def _inner(part: "Message[str, str]") -> bytes:
    return b"\n".join(child.as_bytes() for child in _children(part))


def _name(part: "Message[str, str]", suffix: str) -> str:
    try:
        named = part.get_filename()
    except (LookupError, ValueError):
        named = None
    return decoded(named) if named else f"part{suffix}"


def _bytes(part: "Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: "Message[str, str]") -> str:
    content = _bytes(part)
    text = _decoded_text(content, part.get_content_charset() or "utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if part.get_param("format") == "flowed":
        return _unflowed(text, keeps_space=part.get_param("delsp") != "yes")
    return text


def _decoded_text(content: bytes, charset: str) -> str:
    for encoding in (charset, "utf-8", guess_encoding(content) or "cp1252"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    return content.decode("cp1252", errors="replace")


def _unflowed(text: str, *, keeps_space: bool) -> str:
    """Lines that were broken for the way are joined again (RFC 3676)."""
    lines: list[str] = []
    is_open = False
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        body = line[depth:].removeprefix(" ")
        if is_open and lines and lines[-1].startswith(">") == (depth > 0) and line.rstrip() != "--":
            lines[-1] += body
        else:
            lines.append(">" * depth + (" " if depth else "") + body)
        is_open = line.endswith(" ") and body != "-- "
        if is_open and not keeps_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)
