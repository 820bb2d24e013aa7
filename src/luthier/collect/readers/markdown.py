"""Markdown, verbatim, with its headings, code blocks and pipe tables; front matter becomes `meta`."""

import re
import tomllib
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from luthier.collect.readers.pipes import typed_cells
from luthier.collect.readers.verbatim import Outline, read_text, verbatim_document
from luthier.collect.reading import Source
from luthier.records import Document, Grid

FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\r?\n(.*?)^\1[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
SETTING = re.compile(r"^([\w-]+):[ \t]*([^\r\n]*)((?:\r?\n[ \t]*-[ \t]+[^\r\n]+)*)", re.MULTILINE)
ITEM = re.compile(r"^[ \t]*-[ \t]+([^\r\n]+)", re.MULTILINE)
LINE_END = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")


def read(source: Source) -> Iterator[Document]:
    """The one document of a Markdown file. Its title is the front matter's, the first heading, or the file's name."""
    text = read_text(source)
    front = FRONT_MATTER.match(text)
    meta = _settings(front.group(1), front.group(2)) if front else {}
    outline = find_outline(text, start=front.end() if front else 0, file=source.name)
    named = Outline(meta.get("title", ""), outline.headings, outline.code, outline.grids, meta)
    yield verbatim_document(source, text, kind="markdown", outline=named)


def find_headings(text: str, *, start: int = 0) -> tuple[tuple[int, int, str], ...]:
    """(offset in `text`, level, heading) of every heading from `start` on."""
    return tuple(find_outline(text, start=start).headings)


def find_outline(text: str, *, start: int = 0, file: str = "") -> Outline:
    """Headings, code blocks and pipe tables from character `start` on; tables stand at `file:line`."""
    body = text[start:]
    # markdown-it counts \n only, and turns a lone \r into one.
    offsets = list(accumulate(map(len, LINE_END.split(body)), initial=start))
    first_line = len(LINE_END.split(text[:start]))
    parsed = _Parsed(body)
    headings, code, grids = [], [], []
    for number, token in enumerate(parsed.tokens):
        if token.map is None:
            continue
        begin = offsets[token.map[0]]
        end = begin + len(text[begin : offsets[min(token.map[1], len(offsets) - 1)]].rstrip())
        if token.type == "heading_open":
            headings.append((begin, int(token.tag[1:]), parsed.plain(number + 1)))
        elif token.type in {"fence", "code_block"}:
            code.append((begin, end))
        elif token.type == "table_open":
            header, *rows = parsed.cells(number)
            place = f"{file}:{first_line + token.map[0]}"
            grids.append(Grid(at=place, start=begin, end=end, header=tuple(header), rows=typed_cells(rows)))
    return Outline(headings=headings, code=code, grids=grids)


class _Parsed:
    """The blocks of a text. Marks inside lines are parsed only where they are needed: that takes most of the time."""

    def __init__(self, text: str) -> None:
        self._parser = MarkdownIt("commonmark").enable("table").disable("inline")
        self._references: dict[str, Any] = {}
        self.tokens = self._parser.parse(text, self._references)

    def plain(self, number: int) -> str:
        """What a person sees of a heading or a cell: no marks, links without their targets."""
        marks: list[Token] = []
        self._parser.inline.parse(self.tokens[number].content, self._parser, self._references, marks)
        parts = [" " if mark.type in {"softbreak", "hardbreak", "html_inline"} else mark.content for mark in marks]
        return " ".join("".join(parts).split())

    def cells(self, number: int) -> list[list[str]]:
        """The cells, row by row, of the table that token `number` opens."""
        rows: list[list[str]] = []
        while self.tokens[number].type != "table_close":
            if self.tokens[number].type == "tr_open":
                rows.append([])
            elif self.tokens[number].type == "inline":
                rows[-1].append(self.plain(number))
            number += 1
        return rows


def _settings(fence: str, matter: str) -> dict[str, str]:
    if fence == "+++":
        try:
            values = tomllib.loads(matter)
        except tomllib.TOMLDecodeError:
            return {}
        return {name: str(value) for name, value in values.items() if not isinstance(value, dict | list)}
    found = {}
    for name, value, items in SETTING.findall(matter):
        value = value.strip().strip("\"'") or ", ".join(item.strip().strip("\"'") for item in ITEM.findall(items))
        if value:
            found[name] = value
    return found
