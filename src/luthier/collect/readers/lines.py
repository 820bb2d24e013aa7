"""Physical lines of a text file, with their numbers and the bytes at which they begin."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from luthier.collect.reading import MOST_ROW_CHARACTERS, Source, unreadable_on

MARK_BYTES = {"utf-8": 0, "utf-8-sig": 3}
"""Encodings whose byte offsets can be told -> length of the byte order mark."""
TOO_LONG = f"longer than {MOST_ROW_CHARACTERS:,} characters"


class Line(NamedTuple):
    """One line with its line break."""

    number: int
    """From 1."""
    offset: int | None
    """First byte in the file; None where the file is not UTF-8."""
    text: str
    is_whole: bool
    """False if the text was cut at the limit of 4 million characters."""


def lines_of(source: Source, *, newline: Literal["", "\n"]) -> Iterator[Line]:
    """All lines of a file; `newline` is what ends one: only line feeds, or (empty) carriage returns as well.

    A line is never held beyond the limit. UnreadableError if the text cannot be decoded.
    """
    assert source.encoding is not None
    offset = MARK_BYTES.get(source.encoding)
    ends = ("\n",) if newline else ("\n", "\r")
    with (
        unreadable_on(UnicodeDecodeError, problem="encodings are mixed"),
        source.path.open(encoding=source.encoding, newline=newline) as stream,
    ):
        number = 0
        while text := stream.readline(MOST_ROW_CHARACTERS):
            number += 1
            is_whole = text.endswith(ends) or len(text) < MOST_ROW_CHARACTERS
            yield Line(number, offset, text, is_whole)
            size = _bytes_in(text)
            while not is_whole:
                rest = stream.readline(MOST_ROW_CHARACTERS)
                size += _bytes_in(rest)
                is_whole = rest.endswith(ends) or not rest
            offset = None if offset is None else offset + size


def _bytes_in(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8"))
