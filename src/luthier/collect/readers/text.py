"""Plain text, verbatim: offsets in the document are offsets in the file's text. Headings by cautious rules."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luthier.collect.readers.verbatim import Line, Outline, lines_of, read_text, verbatim_document
from luthier.collect.reading import Source
from luthier.records import Document

MOST_CHARACTERS = 90
UNDERLINE = re.compile(r"([=\-~^*#_])\1{2,}[ \t]*")
NUMBERED = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?[ \t]+[^\W\d_a-z].*")
CHAPTER = re.compile(
    r"(?:chapter|part|appendix|annex|article|section|kapitel|teil|anhang|artikel|abschnitt|chapitre|partie|annexe|"
    r"cap[ií]tulo|parte|capitolo|allegato)[ \t]+(?:\d{1,4}|[IVXLC]{1,7}|[A-Z])(?![\w])[.:]?(?:[ \t]+\S.*)?",
    re.IGNORECASE,
)
SENTENCE_END = (".", ",", ";", ":", "!")


@dataclass(frozen=True, slots=True)
class _Candidate:
    line: Line
    style: str
    """Underline character, `chapter`, `capitals` or `number`."""
    depth: int
    has_body: bool
    """False if the next line with text is a candidate of the same kind."""


def read(source: Source) -> Iterator[Document]:
    """The one document of a text file."""
    text = read_text(source)
    yield verbatim_document(source, text, kind="text", outline=Outline(headings=find_headings(text)))


def find_headings(text: str) -> tuple[tuple[int, int, str], ...]:
    """(offset, level, heading) of lines that stand alone and are underlined, numbered, called chapter or in capitals.

    Numbered lines count only where most of them have text below: otherwise they are a list.
    """
    candidates = _candidates(lines_of(text))
    numbered = [one for one in candidates if one.style == "number" and one.depth == 1]
    is_list = 2 * sum(not one.has_body for one in numbered) >= max(1, len(numbered))
    kept = [one for one in candidates if not (is_list and one.style == "number" and one.depth == 1)]
    styles = list(dict.fromkeys(one.style for one in kept))
    return tuple(
        (one.line.start + one.line.indent, styles.index(one.style) + one.depth, one.line.text.strip()) for one in kept
    )


def _candidates(lines: Sequence[Line]) -> list[_Candidate]:
    found: list[_Candidate] = []
    for number, line in enumerate(lines):
        before = lines[number - 1].text if number else ""
        if line.is_blank or len(line.text) > MOST_CHARACTERS or (before.strip() and not UNDERLINE.fullmatch(before)):
            continue
        style, depth = _style(line.text.strip(), [after.text for after in lines[number + 1 : number + 3]])
        if style:
            follower = next((after.text for after in lines[number + 1 :] if not after.is_blank), "")
            has_body = style != "number" or not NUMBERED.fullmatch(follower.strip())
            found.append(_Candidate(line, style, depth, has_body))
    return found


def _style(words: str, after: Sequence[str]) -> tuple[str, int]:
    """Style and depth of the heading that a line seems to be; an empty style if it is none."""
    following = after[0] if after else ""
    underline = UNDERLINE.fullmatch(following)
    if underline and abs(len(following.strip()) - len(words)) <= 2 and any(map(str.isalnum, words)):
        return underline.group(1), 1
    if following.strip() and not (words.isupper() and following.startswith((" ", "\t"))):
        return "", 0
    if CHAPTER.fullmatch(words) and not words.endswith(SENTENCE_END[1:]):
        return "chapter", 1
    if words.endswith(SENTENCE_END) or re.search(r"[ \t]{3,}|\.{3,}|\t", words):
        return "", 0
    if number := NUMBERED.fullmatch(words):
        return "number", number.group(1).count(".") + 1
    letters = sum(map(str.isalpha, words))
    return ("capitals", 1) if words.isupper() and letters >= 4 and letters * 2 > len(words) else ("", 0)
