"""AsciiDoc, verbatim, with its section titles and listing blocks; the header's attributes become `meta`."""

import re
from collections.abc import Iterator, Sequence

from luthier.collect.readers.verbatim import Line, Outline, lines_of, read_text, verbatim_document
from luthier.collect.reading import Source
from luthier.records import Document

TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*")
UNDERLINE = re.compile(r"([=\-~^+])\1{2,}[ \t]*")
UNDERLINE_LEVELS = "=-~^+"
FENCE = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|```\w*)[ \t]*")
"""Delimiters of blocks whose content is not looked into: listings, literals, raw output and comments."""
SHOWN = ("-", ".", "`")
ATTRIBUTES = re.compile(r"\[[^\[\]]*\][ \t]*|\.[^\s.].*")
ATTRIBUTE = re.compile(r":([\w-]+):[ \t]+(\S.*)")
MARKUP = re.compile(r"(?<!\w)([*_`+#]{1,2})(\S|\S.*?\S)\1(?!\w)")
LINK = re.compile(r"(?:link:|<<|https?:)[^\s\[<>,]*(?:\[|,\s*)([^\]>]*)(?:\]|>>)")


def read(source: Source) -> Iterator[Document]:
    """The one document of an AsciiDoc file. Its title is its first heading, or the file's name."""
    text = read_text(source)
    lines = lines_of(text)
    headings, code = _structure(lines)
    yield verbatim_document(source, text, kind="asciidoc", outline=Outline("", headings, code, (), _attributes(lines)))


def _structure(lines: Sequence[Line]) -> tuple[list[tuple[int, int, str]], list[tuple[int, int]]]:
    headings: list[tuple[int, int, str]] = []
    code: list[tuple[int, int]] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if FENCE.fullmatch(line.text):
            last = _closing(lines, number)
            if line.text.startswith(SHOWN):
                code.append((_with_attributes(lines, number).start, lines[last].end))
            number = last + 1
            continue
        if title := TITLE.fullmatch(line.text):
            headings.append((line.start, len(title.group(1)), _plain(title.group(2))))
        elif level := _underlined(lines, number):
            headings.append((line.start, level, _plain(line.text)))
            number += 1
        number += 1
    return headings, code


def _closing(lines: Sequence[Line], number: int) -> int:
    """The line that closes the block which line `number` opens; the last line if nothing does."""
    mark = "```" if lines[number].text.startswith("```") else lines[number].text.rstrip()
    closing = (place for place in range(number + 1, len(lines)) if lines[place].text.rstrip() == mark)
    return next(closing, len(lines) - 1)


def _with_attributes(lines: Sequence[Line], number: int) -> Line:
    """The first of the attribute and caption lines that belong to the block at line `number`."""
    while number and ATTRIBUTES.fullmatch(lines[number - 1].text):
        number -= 1
    return lines[number]


def _underlined(lines: Sequence[Line], number: int) -> int:
    """Level of the old two-line title that begins at line `number`, 0 if there is none."""
    line = lines[number]
    mark = UNDERLINE.fullmatch(lines[number + 1].text) if number + 1 < len(lines) else None
    is_free = number == 0 or lines[number - 1].is_blank or lines[number - 1].text.startswith(("[", "//", ":"))
    is_title = is_free and re.match(r"[^\W_]|[`*\"'(]", line.text) is not None
    if mark is None or not is_title or abs(len(mark.group().rstrip()) - len(line.text.rstrip())) > 2:
        return 0
    return UNDERLINE_LEVELS.index(mark.group(1)) + 1


def _plain(title: str) -> str:
    return " ".join(MARKUP.sub(r"\2", LINK.sub(r"\1", title)).split())


def _attributes(lines: Sequence[Line]) -> dict[str, str]:
    """Attribute lines of the header: what stands above the first blank line behind the title."""
    found: dict[str, str] = {}
    has_begun = False
    for line in lines:
        if line.is_blank and has_begun:
            break
        has_begun = has_begun or not (line.is_blank or line.text.startswith("//"))
        if attribute := ATTRIBUTE.fullmatch(line.text):
            found[attribute.group(1)] = attribute.group(2).strip()
    return found
