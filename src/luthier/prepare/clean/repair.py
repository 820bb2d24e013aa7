"""Mend text that was damaged on its way: wrong encodings, control characters, soft hyphens, outer white space."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ftfy
from ftfy.badness import is_bad

from luthier.prepare.clean.offsets import Copy, OffsetMap, align, joined, stripped
from luthier.records import (
    Chat,
    Entity,
    Example,
    Extraction,
    Graded,
    Label,
    Message,
    Pair,
    Preference,
    Rating,
    Tags,
    Text,
)

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
Span = tuple[int, int]
"""Characters [start, end) of a text."""
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


def repair(example: Example) -> tuple[Example, bool, bool]:
    """Mend an example; also say whether a question, and whether an answer (or a bare text), was edited.

    A text with marked stretches stays as it is where one of them could not follow.
    """
    match example:
        case Text():
            text = repair_text(example.text)
            return dataclasses.replace(example, text=text), False, text != example.text
        case Label():
            text, label, second, *others = map(
                repair_text, (example.text, example.label, example.second, *example.others)
            )
            labelled = Label(text, label, example.origin, tuple(others), second)
            return labelled, (text, second) != (example.text, example.second), labelled.labels != example.labels
        case Tags():
            text, places = _followed(example.text, [(one.start, one.end) for one in example.entities])
            moved = zip(places, example.entities, strict=True)
            entities = tuple(Entity(start, end, one.label) for (start, end), one in moved)
            return dataclasses.replace(example, text=text, entities=entities), text != example.text, False
        case Extraction():
            context, answers = _followed(example.context, example.answers)
            asked = Extraction(repair_text(example.question), context, tuple(answers), example.origin)
            return asked, asked.question != example.question, context != example.context
        case Pair():
            query, positive, *negatives = map(repair_text, (example.query, example.positive, *example.negatives))
            pair = dataclasses.replace(example, query=query, positive=positive, negatives=tuple(negatives))
            answers_differ = (positive, pair.negatives) != (example.positive, example.negatives)
            return pair, query != example.query, answers_differ
        case Chat():
            turns = _mended_turns(example.messages)
            edited = {old.role for old, new in zip(example.messages, turns, strict=True) if old != new}
            return dataclasses.replace(example, messages=turns), bool(edited - {"assistant"}), "assistant" in edited
        case Preference():
            prompt, chosen, rejected = map(_mended_turns, (example.prompt, example.chosen, example.rejected))
            answers_differ = (chosen, rejected) != (example.chosen, example.rejected)
            mended = dataclasses.replace(example, prompt=prompt, chosen=chosen, rejected=rejected)
            return mended, prompt != example.prompt, answers_differ
        case Rating():
            prompt, answer = map(_mended_turns, (example.prompt, example.answer))
            rated = dataclasses.replace(example, prompt=prompt, answer=answer)
            return rated, prompt != example.prompt, answer != example.answer
        case Graded():
            prompt, golds = _mended_turns(example.prompt), tuple(map(repair_text, example.golds))
            mended_golds = dataclasses.replace(example, prompt=prompt, golds=golds)
            return mended_golds, prompt != example.prompt, golds != example.golds


def _mended_turns(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(dataclasses.replace(turn, content=repair_text(turn.content)) for turn in turns)


def _followed(text: str, places: Sequence[Span]) -> tuple[str, list[Span]]:
    """A mended text with the stretches marked in it, without white space around them."""
    mended = mend(text)
    moved = []
    for start, end in places:
        left, right = mended.offsets.cleaned_offset(start), mended.offsets.cleaned_offset(end)
        part = mended.text[left:right]
        if part.strip() != repair_text(text[start:end]):
            return text, list(places)
        left += len(part) - len(part.lstrip())
        moved.append((left, left + len(part.strip())))
    return mended.text, moved


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
