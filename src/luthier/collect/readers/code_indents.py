"""Definitions in languages whose blocks are told by indentation or end with a word: Ruby, Lua, Elixir, SQL, Fortran."""

import re
from collections.abc import Sequence

from luthier.collect.readers.code_units import Definition
from luthier.collect.readers.verbatim import Line, lines_of

MODIFIERS = (
    r"(?:(?:public|private|protected|friend|shared|local|static|async|recursive|pure|elemental|impure|mutable|abstract|"
    r"create|or|replace|temporary|temp|unique|materialized|integer|real|logical|character|double|precision)\s+)*"
)
HOLDERS = (
    "class|module|defmodule|namespace|package(?:\\s+body)?|program|entity|architecture|defprotocol|defimpl|instance"
)
PARTS = (
    "def|defp|defmacro|defn-?|function|macro|struct|sub|procedure|func|subroutine|interface|type|data|newtype|let(?:\\s+rec)?|"
    "fun|table|view|trigger|index"
)
DEFINITION = re.compile(
    rf"[ \t]*\(?{MODIFIERS}(?:(?P<holder>{HOLDERS})|(?:{PARTS}))\s+"
    r"(?:if\s+not\s+exists\s+)?(?P<name>[^\W\d][\w.:?!'$]*)",
    re.IGNORECASE,
)
CLOSING = re.compile(r"[ \t]*(?:end\b.*|[})\]]+[;,]?|\$\$.*|/)[ \t]*", re.IGNORECASE)
REMARK = re.compile(r"[ \t]*(?:#|--|;|'|!|%|@|\(\*)")


def indented_definitions(text: str) -> list[Definition]:
    """Lines that begin with a defining word, each with what is indented below it, its closing word and its remarks."""
    lines = lines_of(text)
    found: list[Definition] = []
    holders: list[tuple[int, int]] = []
    last = -1
    for number, line in enumerate(lines):
        match = DEFINITION.match(line.text)
        holders = [holder for holder in holders if holder[1] >= number]
        if match is None or number <= last:
            continue
        final = _last_line(lines, number)
        first = number
        while first and REMARK.match(lines[first - 1].text) and lines[first - 1].indent == line.indent:
            first -= 1
        start = lines[first].start + lines[first].indent
        found.append(Definition(start, lines[final].end, match.group("name").rstrip(":"), len(holders)))
        if match.group("holder"):
            holders.append((number, final))
        else:
            last = final
    return found


def _last_line(lines: Sequence[Line], number: int) -> int:
    """The last line of the block that line `number` begins; a statement ends at its semicolon."""
    indent, last = lines[number].indent, number
    for place in range(number + 1, len(lines)):
        line = lines[place]
        if line.is_blank:
            continue
        if line.indent <= indent:
            return place if line.indent == indent and CLOSING.fullmatch(line.text) else last
        last = place
    return last
