"""What is wrong with a text or an example: measures, and reasons to drop."""

import dataclasses
import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate, islice

from ftfy.badness import BADNESS_RE

from luthier.prepare.candidate import turns_of, words_of
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Example, Extraction, Label, Message, Pair, Preference, Tags, Text

NOT_LEARNT = "the last answer has weight 0"
SAME_ANSWERS = "the better and the worse answer are the same"
UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010fffd\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han."""
TOKEN = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]{{1,32}}")
"""A word; a letter of an unspaced script; a piece of a run that is no word."""
LETTER = re.compile(r"[^\W\d_]")
PIECE = 1_000_000
MARKS = re.compile(r"[\W_]+")


def reason_to_drop(example: Example) -> str | None:
    """What makes a repaired example useless under every setting, or None; other rules may be held back."""
    match example:
        case Text():
            return None
        case Tags():
            return None if example.text else "empty text"
        case Extraction():
            return _first_empty(question=example.question, context=example.context)
        case Pair():
            if not all(example.negatives):
                return "empty negative"
            return _first_empty(query=example.query, positive=example.positive)
        case Preference() if _words(example.chosen) == _words(example.rejected):
            return SAME_ANSWERS
        case Preference():
            worse = dataclasses.replace(example, chosen=example.rejected, rejected=())
            return _unlearnt(turns_of(example)) or _unlearnt(turns_of(worse))
        case Label() if not example.labels:
            return None if example.text else "empty question"
        case _:
            return _unlearnt(turns_of(example))


def _unlearnt(turns: Sequence[Message]) -> str | None:
    if not turns or turns[-1].role != "assistant":
        return "no answer at the end"
    if turns[-1].weight == 0:
        return NOT_LEARNT
    asked = [turn.content for turn in turns[:-1] if turn.role == "user"]
    return missing_part(asked[-1] if asked and all(asked) else "", words_of(turns[-1]))


def _words(turns: Sequence[Message]) -> list[str]:
    return [words_of(turn) for turn in turns]


def _first_empty(**parts: str) -> str | None:
    return next((f"empty {name}" for name, text in parts.items() if not text), None)


def missing_part(question: str, answer: str) -> str | None:
    """What an example lacks altogether, so that nothing can be learnt from it."""
    if not answer:
        return "empty answer"
    return None if question else "empty question"


def says_the_same(question: str, answer: str) -> bool:
    """True if two texts are equal but for case, spaces and punctuation."""
    # Equal matching copies have equal letters and digits, which are had ten times faster.
    return _bare(question) == _bare(answer) and matching_copy(question) == matching_copy(answer)


def letters(text: str, *, enough: int) -> int:
    """Letters of a text, counted up to `enough`."""
    return sum(1 for _ in islice(LETTER.finditer(text), enough))


def unreadable_share(text: str) -> float:
    """Share of characters, 0 to 1, that are U+FFFD, private-use, control, or of sequences that only mojibake has."""
    if not text or (text.isascii() and UNREADABLE.search(text) is None):
        return 0.0
    broken = len(UNREADABLE.findall(text)) + sum(len(found[0]) for found in BADNESS_RE.finditer(text))
    return min(1.0, broken / len(text))


def repeated_share(text: str, *, words: int) -> float:
    """Share of a text's characters, 0 to 1, in runs of `words` words that repeat an earlier run (Rae et al. 2021).

    Runs are looked for in pieces of `PIECE` characters, which bounds memory.
    """
    covered = total = 0
    for start in range(0, len(text), PIECE):
        repeated, visible = _repeated_characters(TOKEN.findall(text, start, start + PIECE), words)
        covered, total = covered + repeated, total + visible
    return covered / total if total else 0.0


def _repeated_characters(tokens: Sequence[str], words: int) -> tuple[int, int]:
    """Characters in runs that repeat an earlier one, and characters in all."""
    ends = list(accumulate(map(len, tokens), initial=0))
    seen: set[tuple[str, ...]] = set()
    covered = reached = 0
    for start, run in enumerate(zip(*(tokens[shift:] for shift in range(words)), strict=False)):
        if run in seen:
            covered += ends[start + words] - ends[max(start, reached)]
            reached = start + words
        else:
            seen.add(run)
    return covered, ends[-1]


def _bare(text: str) -> str:
    return MARKS.sub("", unicodedata.normalize("NFKC", text).casefold())
