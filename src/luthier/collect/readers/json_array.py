"""JSON files that hold one list of objects, streamed: rows at most 50 levels deep and 4 MB long."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from luthier.collect.readers.jsonl import parse_row
from luthier.collect.readers.questions import unfolded
from luthier.collect.reading import MOST_ROW_CHARACTERS, Source, UnreadableError, reject, unreadable_on
from luthier.records import Reject, Row

BLOCK = 1 << 20
SPACE = re.compile(rb"[ \t\r\n]*")
STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
STRUCTURE = re.compile(STRING + rb'|["{}\[\]]', re.DOTALL)
"""Whole strings and brackets; a lone quote begins a string whose end is not held yet."""
REST_OF_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
WORD = re.compile(STRING + rb'|[^\s"{}\[\],:]+', re.DOTALL)
QUOTE, OPENING = ord('"'), b"{["
TOO_LONG = f"longer than {MOST_ROW_CHARACTERS:,} bytes"
ADVICE = "save it as JSON Lines, one object per line"


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of a JSON array of objects, or of the only list of objects in one object; each at the line it begins on.

    A row that cannot be used is refused alone. UnreadableError where the file holds no such list, or more than one.
    """
    with unreadable_on(UnicodeDecodeError, problem="encodings are mixed"):
        starts = {"utf-8": 0, "utf-8-sig": len(codecs.BOM_UTF8)}
        encoding = source.encoding or "utf-8"
        window = _Window(_blocks(source.path, encoding), offset=starts.get(encoding))
        opening = window.mark()
        if opening == b"[":
            yield from _rows(source.name, window)
        elif opening == b"{":
            yield from _rows_of_member(source.name, window)
        else:
            raise UnreadableError(f"holds neither a JSON array nor a JSON object; {ADVICE}")
        if window.mark():
            raise UnreadableError(f"line {window.line}: something follows the end of the JSON value; {ADVICE}")


class _Window:
    """The part of a file that is being looked at, as UTF-8."""

    def __init__(self, blocks: Iterator[bytes], *, offset: int | None) -> None:
        self.line = 1
        """Line of the next byte, from 1."""
        self.offset = offset
        """Byte of the file that comes next; None where the file is not UTF-8."""
        self._blocks = blocks
        self._held = b""
        self._at = 0

    def peek(self) -> bytes:
        """The next byte that is no white space; empty at the end of the file."""
        while True:
            self._pass(_end(SPACE, self._held, self._at))
            if self._at < len(self._held) or not self._more():
                return self._held[self._at : self._at + 1]

    def mark(self) -> bytes:
        """Pass one mark, such as a bracket or a comma."""
        found = self.peek()
        self._pass(self._at + len(found))
        return found

    def value(self) -> tuple[bytes, str]:
        """Pass one value; returns its bytes, and why they cannot be used where they are cut at the limit or unended."""
        return self._bracketed() if self.peek() in {b"{", b"["} else (self._word(), "")

    def holds_objects(self) -> bool:
        """True if the next value is a list whose first element is an object. Passes nothing but white space."""
        if self.peek() != b"[":
            return False
        while True:
            second = _end(SPACE, self._held, self._at + 1)
            if second < len(self._held) or not self._more():
                return self._held[second : second + 1] == b"{"

    def _word(self) -> bytes:
        while True:
            end = _end(WORD, self._held, self._at)
            is_whole = self._at < end < len(self._held) or self._held[self._at] != QUOTE
            if is_whole or len(self._held) - self._at > MOST_ROW_CHARACTERS or not self._more():
                break
        end = max(end, self._at + 1)
        word = self._held[self._at : end]
        self._pass(end)
        return word

    def _bracketed(self) -> tuple[bytes, str]:
        depth, at, in_string, kept = 0, self._at, False, b""
        while True:
            at, depth, in_string = _scan(self._held, at, depth=depth, in_string=in_string)
            if depth == 0 and not in_string:
                row, problem = kept or self._held[self._at : at], TOO_LONG if kept else ""
                self._pass(at)
                return row, problem
            if kept or at - self._at > MOST_ROW_CHARACTERS:
                kept = kept or self._held[self._at : at]
                self._pass(at)
            at -= self._at
            if not self._more():
                row = kept or self._held
                self._pass(len(self._held))
                return row, "the file ends inside this row"

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        self._held, self._at = self._held[self._at :] + block, 0
        return bool(block)

    def _pass(self, end: int) -> None:
        self.line += self._held.count(b"\n", self._at, end)
        if self.offset is not None:
            self.offset += end - self._at
        self._at = end


def _scan(held: bytes, at: int, *, depth: int, in_string: bool) -> tuple[int, int, bool]:
    """Go on from `at` until the brackets are closed or the bytes are used up; returns the place and the state there."""
    if in_string:
        rest = REST_OF_STRING.match(held, at)
        if rest is None:
            return _before_escape(held, at), depth, True
        at = rest.end()
    for match in STRUCTURE.finditer(held, at):
        at = match.end()
        first = held[match.start()]
        if first == QUOTE:
            if at - match.start() == 1:
                return _before_escape(held, at), depth, True
        elif first in OPENING:
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return at, 0, False
    return len(held), depth, False


def _before_escape(held: bytes, at: int) -> int:
    # A backslash at the very end may escape the quote that the next block begins with.
    backslashes = len(held) - len(held[at:].rstrip(b"\\")) - at
    return len(held) - backslashes % 2


def _end(pattern: re.Pattern[bytes], held: bytes, at: int) -> int:
    match = pattern.match(held, at)
    return match.end() if match else at


def _blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """The file as UTF-8 without a byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            if text := decoder.decode(block):
                yield text.encode("utf-8")
    decoder.decode(b"", final=True)


def _rows_of_member(name: str, window: _Window) -> Iterator[Row | Reject]:
    """The rows of the one member that is a list of objects; the window stands behind the opening brace."""
    chosen = ""
    while window.peek() not in {b"}", b""}:
        key, problem = window.value()
        if problem or not key.startswith(b'"') or window.mark() != b":":
            raise UnreadableError(f"line {window.line}: not valid JSON; expected a name in quotes and a colon")
        if not window.holds_objects():
            window.value()
        elif chosen:
            raise UnreadableError(f"holds two lists of objects, {chosen} and {_shown(key)}; {ADVICE}")
        else:
            chosen = _shown(key)
            window.mark()
            yield from _rows(name, window)
        if window.peek() == b",":
            window.mark()
    window.mark()
    if not chosen:
        raise UnreadableError(f"holds one JSON object and in it no list of objects; {ADVICE}")


def _rows(name: str, window: _Window) -> Iterator[Row | Reject]:
    """The rows up to the closing bracket; the window stands behind the opening one."""
    above, nth = 0, 1
    while (following := window.peek()) != b"]":
        line, offset = window.line, window.offset
        if not following:
            yield reject(name, line, "the file ends before its list of objects is closed", "", offset=offset)
            return
        if following == b"}":
            raise UnreadableError(f"line {line}: not valid JSON; the list of objects is not closed")
        if following == b",":
            window.mark()
            continue
        content, problem = window.value()
        text = content.decode("utf-8", errors="replace")
        above, nth = line, nth + 1 if line == above else 1
        row = (
            reject(name, line, problem, text, offset=offset) if problem else parse_row(name, line, text, offset=offset)
        )
        # Many rows may begin on one line, and each has a place of its own.
        yield from unfolded(replace(row, at=f"{row.at} ({nth})") if isinstance(row, Row) and nth > 1 else row)
    window.mark()


def _shown(key: bytes) -> str:
    return key.decode("utf-8", errors="replace")[:80]
