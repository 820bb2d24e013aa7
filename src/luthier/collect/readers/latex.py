"""LaTeX, verbatim, with its sections and listings; title, author and date become `meta`."""

import re
import unicodedata
from collections.abc import Iterator

from luthier.collect.readers.verbatim import Outline, read_text, verbatim_document
from luthier.collect.reading import Source
from luthier.records import Document

LISTING = re.compile(r"\\begin\{(verbatim\*?|[BL]?Verbatim|lstlisting|minted|alltt|comment)\}.*?\\end\{\1\}", re.DOTALL)
COMMENT = re.compile(r"(?<!\\)(?:\\\\)*(%[^\r\n]*)")
LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph", "frame")
SECTION = re.compile(
    rf"\\(?P<command>{'|'.join(LEVELS[:-1])}|frame)(?:title)?\*?\s*(?:\[[^\]]*\]\s*)?\{{"
    r"|\\begin\{(?P<environment>frame)\}\s*(?:\[[^\]]*\]\s*)?\{"
)
SETTING = re.compile(r"\\(title|author|date)\s*(?:\[[^\]]*\]\s*)?\{")
BODY = "\\begin{document}"
MOST_CHARACTERS = 2_000
ACCENT = re.compile(r"\\(?:([`'^\"~=.])|([uvHcdbrk])(?![A-Za-z]))\s*\{?\s*\\?([A-Za-z])\s*\}?")
COMBINING = dict(
    zip(
        "`'^\"~=.uvHcdbrk",
        "\u0300\u0301\u0302\u0308\u0303\u0304\u0307\u0306\u030c\u030b\u0327\u0323\u0331\u030a\u0328",
        strict=True,
    )
)
SPECIAL = {
    "ss": "ß",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "o": "ø",
    "O": "Ø",
    "aa": "å",
    "AA": "Å",
    "l": "ł",
    "L": "Ł",
}
SPECIAL_LETTER = re.compile(r"\\(ss|ae|AE|oe|OE|aa|AA|[oOlL])(?:\{\}|(?![A-Za-z])\s*)")
PUNCTUATION = (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("~", " "), ("\\\\", " "))


def read(source: Source) -> Iterator[Document]:
    """The one document of a LaTeX file. Its title is `\\title`, its first section, or the file's name."""
    text = read_text(source)
    code = [match.span() for match in LISTING.finditer(text) if match.group(1) != "comment"]
    seen = _without_hidden(text)
    meta = {match.group(1): found for match in SETTING.finditer(seen) if (found := plain(_argument(seen, match.end())))}
    outline = Outline(meta.get("title", ""), _headings(seen), code, (), meta)
    yield verbatim_document(source, text, kind="latex", outline=outline)


def plain(latex: str) -> str:
    """What is printed for a short piece of LaTeX such as a title; mathematics stays as it is."""
    text = SPECIAL_LETTER.sub(lambda match: SPECIAL[match.group(1)], latex)
    text = ACCENT.sub(lambda match: match.group(3) + COMBINING[match.group(1) or match.group(2)], text)
    text = re.sub(r"\\(?:label|cite\w*|footnote|thanks|index|ref)\s*(?:\[[^\]]*\])?\{[^{}]*\}", "", text)
    for written, printed in PUNCTUATION:
        text = text.replace(written, printed)
    text = re.sub(r"\\(?:LaTeX|TeX)\b", lambda match: match.group()[1:], text)
    text = re.sub(r"\\[A-Za-z]+\*?(?:\[[^\]]*\])?\s*|\\([^A-Za-z\s])", r"\1", text)
    return unicodedata.normalize("NFC", " ".join(re.sub(r"(?<!\\)[{}]", "", text).split()))


def _without_hidden(text: str) -> str:
    """The text with listings and comments blanked, so that offsets stay."""
    text = LISTING.sub(lambda match: re.sub(r"[^\r\n]", " ", match.group()), text)
    return COMMENT.sub(lambda match: match.group()[: -len(match.group(1))] + " " * len(match.group(1)), text)


def _headings(seen: str) -> list[tuple[int, int, str]]:
    """Sections of the body; the highest kind that occurs has level 1."""
    found = []
    for match in SECTION.finditer(seen, max(0, seen.find(BODY))):
        words = plain(_argument(seen, match.end()))
        if words:
            found.append((match.start(), LEVELS.index(match.group("command") or "frame"), words))
    levels = sorted({level for _, level, _ in found})
    return [(start, levels.index(level) + 1, words) for start, level, words in found]


def _argument(text: str, start: int) -> str:
    """What stands from `start` to the brace that closes; empty if none does within 2,000 characters."""
    depth = 1
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start, start + MOST_CHARACTERS):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return text[start : match.start()]
    return ""
