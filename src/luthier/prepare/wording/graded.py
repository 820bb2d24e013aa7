"""Questions whose answers are graded: the prompt with its first gold, which the exam compares, as a conversation."""

import dataclasses
from collections.abc import Sequence

import orjson

from luthier.graders.marking import Grading, graders_of
from luthier.prepare.candidate import turns_of
from luthier.prepare.reading import Desk, Reading
from luthier.prepare.wording import chat
from luthier.records import Chat, Graded


def read(graded: Graded, desk: Desk) -> Sequence[Reading | str]:
    """One row; what was said before is context."""
    *before, gold = turns_of(graded)
    prompt = [dataclasses.replace(turn, weight=0) if turn.role == "assistant" else turn for turn in before]
    graders = graders_of(orjson.loads(graded.graders)) if graded.graders else ()
    grading = Grading(graded.golds, graders).text
    found = chat.read(Chat((*prompt, gold), graded.origin), desk)
    return [_with(one, graded.golds, grading) if isinstance(one, Reading) else one for one in found]


def _with(one: Reading, golds: tuple[str, ...], grading: str) -> Reading:
    return dataclasses.replace(one, golds=golds, row=dataclasses.replace(one.row, grading=grading))
