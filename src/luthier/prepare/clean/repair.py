"""Mend text that was damaged on its way: wrong encodings, control characters, soft hyphens, outer white space."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import ftfy
from ftfy.badness import is_bad

from luthier.prepare.clean.offsets import Copy, OffsetMap, align, joined, stripped
from luthier.records import Chat, Label, Text

SETTINGS = ftfy.TextFixerConfig(
    uncurl_quotes=False, fix_character_width=False, unescape_html=False, remove_terminal_escapes=True, explain=False
)
"""Quotes and wide letters are the author's; everything else that ftfy mends is damage."""
DAMAGE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\u2028\u2029\u206a-\u206f"
    "\ud800-\udfff\ufb00-\ufb06\ufeff\ufff9-\ufffc]"
)
"""Characters that repair always replaces: control characters, soft hyphens, ligatures, broken surrogates."""
LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
SOFT_HYPHEN = "\u00ad"
PAGE_BREAKS = str.maketrans("\f\v", "\n\n")


@dataclass(frozen=True, slots=True)
class Mended:
    """A text after an edit, and the way back."""

    text: str
    offsets: OffsetMap


def repair_text(text: str) -> str:
    """Mend one text: ftfy (mojibake, entities, control characters), soft hyphens, NFC, outer white space."""
    if not _is_suspect(text):
        return text.strip()
    return "".join(mended for _, mended in _mended_lines(text)).strip()


def mend(text: str) -> Mended:
    """`repair_text` with the map from the mended text to the given one."""
    if not _is_suspect(text):
        return Mended(*stripped(text))
    copies: list[Copy] = []
    parts: list[str] = []
    cleaned = source = 0
    for line, mended in _mended_lines(text):
        pairs = [(0, 0, len(line))] if line == mended else align(mended, line)
        copies += [(cleaned + start, source + origin, length) for start, origin, length in pairs]
        parts.append(mended)
        cleaned, source = cleaned + len(mended), source + len(line)
    whole = OffsetMap(joined(copies), cleaned=cleaned, source=source)
    inner, offsets = stripped("".join(parts))
    return Mended(inner, offsets.after(whole))


def repair(example: Chat | Label | Text) -> tuple[Chat | Label | Text, bool, bool]:
    """Mend an example; also say whether a question, and whether an answer (or a bare text), was edited."""
    if isinstance(example, Text):
        text = repair_text(example.text)
        return dataclasses.replace(example, text=text), False, text != example.text
    if isinstance(example, Label):
        text, label = repair_text(example.text), repair_text(example.label)
        mended = dataclasses.replace(example, text=text, label=label)
        return mended, text != example.text, label != example.label
    turns = tuple(dataclasses.replace(turn, content=repair_text(turn.content)) for turn in example.messages)
    edited = {old.role for old, new in zip(example.messages, turns, strict=True) if old != new}
    return dataclasses.replace(example, messages=turns), bool(edited - {"assistant"}), "assistant" in edited


def _mended_lines(text: str) -> Iterator[tuple[str, str]]:
    """Every line with its line break, as it is and as it should be."""
    escaped = _is_escaped(text)
    for found in LINE.finditer(text):
        line, end = found[1], found[2]
        if line or end:
            yield found[0], _mended_line(line, escaped=escaped) + ("\n" if end else "")


def _mended_line(line: str, *, escaped: bool) -> str:
    if not escaped and not _is_suspect(line):
        return line
    mended = ftfy.fix_text(line.translate(PAGE_BREAKS), config=SETTINGS._replace(unescape_html=escaped))
    kept = (letter for letter in mended if letter in "\n\t" or unicodedata.category(letter) != "Cc")
    return unicodedata.normalize("NFC", "".join(kept).replace(SOFT_HYPHEN, ""))


def _is_suspect(text: str) -> bool:
    """True where repair may change anything but outer white space."""
    if text.isascii():
        return DAMAGE.search(text) is not None or _is_escaped(text)
    return (
        DAMAGE.search(text) is not None
        or is_bad(text)
        or not unicodedata.is_normalized("NFC", text)
        or _is_escaped(text)
    )


def _is_escaped(text: str) -> bool:
    """True if entities are damage: every `&` begins one, and no markup stands beside them."""
    ampersands = text.count("&")
    return bool(ampersands) and "<" not in text and len(ENTITY.findall(text)) == ampersands
