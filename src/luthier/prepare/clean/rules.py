"""What is wrong with a text or an example: measures, and reasons to drop."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate, islice

from ftfy.badness import BADNESS_RE

from luthier.prepare.candidate import turns_of, words_of
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Chat, Label

NOT_LEARNT = "the last answer has weight 0"
UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010fffd\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han."""
TOKEN = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]{{1,32}}")
"""A word; a letter of an unspaced script; a piece of a run that is no word."""
LETTER = re.compile(r"[^\W\d_]")
PIECE = 1_000_000
MARKS = re.compile(r"[\W_]+")


def reason_to_drop(example: Chat | Label) -> str | None:
    """What makes a repaired example useless under every setting, or None; other rules may be held back."""
    turns = turns_of(example)
    if not turns or turns[-1].role != "assistant":
        return "no answer at the end"
    if turns[-1].weight == 0:
        return NOT_LEARNT
    asked = [turn.content for turn in turns[:-1] if turn.role == "user"]
    return missing_part(asked[-1] if asked and all(asked) else "", words_of(turns[-1]))


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
