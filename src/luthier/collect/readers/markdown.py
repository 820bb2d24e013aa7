"""Markdown, verbatim, with its headings; front matter becomes `meta`."""

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt

from luthier.artifacts.canonical import sha256_of_file
from luthier.collect.readers.text import read_text
from luthier.collect.reading import Source
from luthier.records import Document

FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
SETTING = re.compile(r"^([\w-]+):[ \t]+(\S[^\r\n]*)", re.MULTILINE)


def read(source: Source) -> Iterator[Document]:
    """The one document of a Markdown file. Its title is the front matter's, the first heading, or the file's name."""
    text = read_text(source)
    front = FRONT_MATTER.match(text)
    meta = {name: value.strip().strip("\"'") for name, value in SETTING.findall(front.group(1))} if front else {}
    headings = find_headings(text, start=front.end() if front else 0)
    title = meta.get("title") or (headings[0][2] if headings else source.path.stem)
    yield Document(
        id=sha256_of_file(source.path),
        file=source.name,
        kind="markdown",
        title=title,
        text=text,
        headings=headings,
        meta=meta,
    )


def find_headings(text: str, *, start: int = 0) -> tuple[tuple[int, int, str], ...]:
    """(offset in `text`, level, heading) of every heading from `start` on."""
    body = text[start:]
    # markdown-it counts \n only, and turns a lone \r into one.
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", body)
    offsets = list(accumulate(map(len, lines), initial=start))
    tokens = MarkdownIt("commonmark").parse(body)
    found = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.map is not None:
            found.append((offsets[opening.map[0]], int(opening.tag[1:]), inline.content))
    return tuple(found)
