"""JSON Lines: one object per line, at most 50 levels deep and 4 million characters long."""

from collections.abc import Iterator
from typing import Any

import orjson

from luthier.collect.readers.lines import TOO_LONG, lines_of
from luthier.collect.readers.questions import unfolded
from luthier.collect.reading import Source, reject
from luthier.records import Reject, Row

MOST_DEPTH = 50


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of a JSON Lines file. Blank lines are no rows."""
    # Only \n ends a line: U+2028 and the like are legal inside JSON strings.
    for line in lines_of(source, newline="\n"):
        if not line.is_whole:
            yield reject(source.name, line.number, TOO_LONG, line.text, offset=line.offset)
        elif line.text.strip():
            yield from unfolded(parse_row(source.name, line.number, line.text, offset=line.offset))


def parse_row(name: str, number: int, text: str, *, offset: int | None = None) -> Row | Reject:
    """One JSON text as a row of file `name`; refused if it is no object, not valid or too deep."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return reject(name, number, f"not valid JSON: {error.msg} at column {error.colno}", text, offset=offset)
    if not isinstance(value, dict):
        return reject(name, number, f"expected an object, got {_word_for(value)}", text, offset=offset)
    if is_deeper(value, MOST_DEPTH):
        return reject(name, number, f"nested more than {MOST_DEPTH} levels deep", text, offset=offset)
    return Row(at=f"{name}:{number}", line=number, values=value, offset=offset)


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
