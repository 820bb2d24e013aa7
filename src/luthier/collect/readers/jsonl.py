"""JSON Lines: one object per line, at most 50 levels deep and 4 million characters long."""

from collections.abc import Iterator
from typing import Any, TextIO

import orjson

from luthier.collect.reading import MOST_ROW_CHARACTERS, Source, reject, unreadable_on
from luthier.records import Reject, Row

MOST_DEPTH = 50


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of a JSON Lines file. Blank lines are no rows."""
    assert source.encoding is not None
    # Only \n ends a line: U+2028 and the like are legal inside JSON strings.
    with (
        unreadable_on(UnicodeDecodeError, problem="encodings are mixed"),
        source.path.open(encoding=source.encoding, newline="\n") as stream,
    ):
        for number, line, whole in _lines(stream):
            if line.strip():
                yield parse_row(source.name, number, line) if whole else _too_long(source.name, number, line)


def _lines(stream: TextIO) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and False if the text was cut at the limit."""
    number = 0
    while line := stream.readline(MOST_ROW_CHARACTERS):
        number += 1
        whole = line.endswith("\n") or len(line) < MOST_ROW_CHARACTERS
        yield number, line, whole
        while not whole:
            rest = stream.readline(MOST_ROW_CHARACTERS)
            whole = rest.endswith("\n") or not rest


def parse_row(name: str, number: int, line: str) -> Row | Reject:
    """One JSON text as a row of file `name`; refused if it is no object, not valid or too deep."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return reject(name, number, f"not valid JSON: {error.msg} at column {error.colno}", line)
    if not isinstance(value, dict):
        return reject(name, number, f"expected an object, got {_word_for(value)}", line)
    if is_deeper(value, MOST_DEPTH):
        return reject(name, number, f"nested more than {MOST_DEPTH} levels deep", line)
    return Row(at=f"{name}:{number}", line=number, values=value)


def _too_long(name: str, number: int, line: str) -> Reject:
    return reject(name, number, f"longer than {MOST_ROW_CHARACTERS:,} characters", line)


def _word_for(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def is_deeper(value: Any, limit: int) -> bool:
    """True if lists and objects are nested in more than `limit` levels."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True
