"""Mend text that was damaged on its way: wrong encodings, control characters, soft hyphens, outer white space."""

import dataclasses
import unicodedata

import ftfy

from luthier.records import Chat, Label

SETTINGS = ftfy.TextFixerConfig(uncurl_quotes=False, fix_character_width=False, explain=False)
"""Quotes and wide letters are the author's; everything else that ftfy mends is damage."""
SOFT_HYPHEN = "\u00ad"


def repair_text(text: str) -> str:
    """Mend one text: ftfy (mojibake, entities, control characters), soft hyphens, NFC, outer white space."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return text.strip()
    mended = ftfy.fix_text(text, config=SETTINGS).replace(SOFT_HYPHEN, "")
    kept = "".join(letter for letter in mended if letter in "\n\t" or unicodedata.category(letter) != "Cc")
    return unicodedata.normalize("NFC", kept).strip()


def repair(example: Chat | Label) -> tuple[Chat | Label, bool, bool]:
    """Mend an example; also say whether a question, and whether an answer, was edited."""
    if isinstance(example, Label):
        text, label = repair_text(example.text), repair_text(example.label)
        mended = dataclasses.replace(example, text=text, label=label)
        return mended, text != example.text, label != example.label
    turns = tuple(dataclasses.replace(turn, content=repair_text(turn.content)) for turn in example.messages)
    edited = {old.role for old, new in zip(example.messages, turns, strict=True) if old != new}
    return dataclasses.replace(example, messages=turns), bool(edited - {"assistant"}), "assistant" in edited
