"""reStructuredText, verbatim, with its section titles and literal blocks; the fields at its top become `meta`."""

import re
from collections.abc import Iterator, Sequence

from luthier.collect.readers.verbatim import Line, Outline, lines_of, read_text, verbatim_document
from luthier.collect.reading import Source
from luthier.records import Document

ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*")
CODE_DIRECTIVE = re.compile(
    r"[ \t]*\.\. (?:code-block|code|sourcecode|parsed-literal|doctest|testcode|testoutput|productionlist|ipython)::"
)
FIELD = re.compile(r":([^:\s][^:]*):[ \t]+(\S.*)")
MARKUP = re.compile(
    r":[\w:.-]+:`([^`<]+?)(?:\s*<[^`>]*>)?`|``([^`]+)``|`([^`<]+?)(?:\s*<[^`>]*>)?`_{0,2}|\*{1,2}([^*]+)\*{1,2}"
)


def read(source: Source) -> Iterator[Document]:
    """The one document of a reStructuredText file. Its title is its first heading, or the file's name."""
    text = read_text(source)
    lines = lines_of(text)
    code = _code(lines)
    outline = Outline(headings=_headings(lines, code), code=code, meta=_fields(lines))
    yield verbatim_document(source, text, kind="rst", outline=outline)


def _headings(lines: Sequence[Line], code: Sequence[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Titles with a line of marks below, or above and below; levels are the styles in order of first use."""
    inside = {line.start for line in lines for start, end in code if start <= line.start < end}
    styles: list[tuple[str, bool]] = []
    found = []
    for above, title, below in zip([None, *lines], lines, lines[1:], strict=False):
        mark = ADORNMENT.fullmatch(below.text)
        if mark is None or title.is_blank or title.start in inside or ADORNMENT.fullmatch(title.text):
            continue
        is_framed = above is not None and above.text.rstrip() == below.text.rstrip()
        is_free = above is None or above.is_blank or above.text.startswith("..")
        width = len(below.text.rstrip())
        is_wide = width >= len(title.text.rstrip()) or width >= 4
        if is_wide and (is_framed or (is_free and title.indent == 0)):
            style = (mark.group(1), is_framed)
            styles += [style] if style not in styles else []
            found.append((title.start + title.indent, styles.index(style) + 1, _plain(title.text)))
    return found


def _plain(title: str) -> str:
    return " ".join(MARKUP.sub(lambda match: next(filter(None, match.groups())), title).replace("\\", "").split())


def _code(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """Code directives with their line, what is indented below `::`, and doctest blocks."""
    found: list[tuple[int, int]] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        is_directive = CODE_DIRECTIVE.match(line.text) is not None
        if line.text.lstrip().startswith(">>> "):
            last = _last_before_blank(lines, number)
            found.append((line.start, lines[last].end))
        elif is_directive or (line.text.rstrip().endswith("::") and not line.text.lstrip().startswith("..")):
            last = _last_indented(lines, number)
            if last > number:
                first = line if is_directive else next(body for body in lines[number + 1 :] if not body.is_blank)
                found.append((first.start, lines[last].end))
        else:
            last = number
        number = last + 1
    return found


def _last_before_blank(lines: Sequence[Line], number: int) -> int:
    while number + 1 < len(lines) and not lines[number + 1].is_blank:
        number += 1
    return number


def _last_indented(lines: Sequence[Line], number: int) -> int:
    """The last line of the block that is indented deeper than line `number`; that line itself if there is none."""
    last = number
    for place in range(number + 1, len(lines)):
        if lines[place].is_blank:
            continue
        if lines[place].indent <= lines[number].indent:
            break
        last = place
    return last


def _fields(lines: Sequence[Line]) -> dict[str, str]:
    """The first field list, if only the title stands above it."""
    found: dict[str, str] = {}
    titles = 0
    for line in lines:
        field = FIELD.fullmatch(line.text)
        if field:
            found[field.group(1).strip().lower()] = field.group(2).strip()
        elif found and not line.text.startswith((" ", "\t")):
            break
        elif not found and not line.is_blank and not line.text.startswith("..") and not ADORNMENT.fullmatch(line.text):
            titles += 1
            if titles > 1:
                break
    return found
