"""Reasons to drop an example. Each rule names its reason, or answers None to keep."""

from luthier.prepare.candidate import turns_of
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Chat, Label

NOT_LEARNT = "the last answer has weight 0"


def reason_to_drop(example: Chat | Label) -> str | None:
    """The first rule that takes a repaired example out, or None."""
    turns = turns_of(example)
    if not turns or turns[-1].role != "assistant":
        return "no answer at the end"
    if turns[-1].weight == 0:
        return NOT_LEARNT
    if not turns[-1].content:
        return "empty answer"
    asked = [turn for turn in turns[:-1] if turn.role == "user"]
    if not asked or not all(turn.content for turn in asked):
        return "empty question"
    if matching_copy(asked[-1].content) == matching_copy(turns[-1].content):
        return "the answer repeats the question"
    return None
