"""Answers that were compared or judged: a prompt with its better and its worse answer, or with a rated one."""

import dataclasses
from collections.abc import Sequence

from luthier.models.chat import WordedChat
from luthier.prepare.clean.rules import SAME_ANSWERS
from luthier.prepare.convert import framed
from luthier.prepare.reading import TOO_LONG, Desk, Reading
from luthier.prepare.wording.chat import CALL, refusal_of
from luthier.records import Message, Preference, Rating, Worded

REWRITTEN = "its answers have several turns, and the base's template rewrites earlier ones"
SEVERAL = "its answers have several turns, of which the exam can compare only one"


def read_preference(compared: Preference, desk: Desk) -> Sequence[Reading | str]:
    """Both conversations, one behind the other; a pair that is too long leaves whole."""
    return _read(compared, [compared.chosen, compared.rejected], desk)


def read_rating(rated: Rating, desk: Desk) -> Sequence[Reading | str]:
    """The conversation, and 1 for a good answer or 0 for a bad one."""
    return _read(rated, [rated.answer], desk)


def _read(example: Preference | Rating, answers: Sequence[tuple[Message, ...]], desk: Desk) -> Sequence[Reading | str]:
    wording, frame = desk.wording, desk.frame
    # What was said before is context: only the answers were compared.
    prompt = [dataclasses.replace(turn, weight=0) if turn.role == "assistant" else turn for turn in example.prompt]
    talks, worded = [], []
    for answer in answers:
        told = framed((*prompt, *answer), system=frame.system, instruction=frame.instruction)
        refusal = refusal_of(told, example.tools, wording)
        if refusal is None and len(wording.unrolled(told, tools=example.tools)) > 1:
            refusal = REWRITTEN
        if refusal is not None:
            return [refusal]
        talks.append(told)
        worded.append(wording.chat_ids(told, tools=example.tools))
    if max(len(one.ids) for one in worded) > frame.limit:
        return [TOO_LONG]
    if len(worded) == 2 and worded[0].ids == worded[1].ids:
        return [SAME_ANSWERS]
    last = [answer[-1] for answer in answers]
    said = [turn.content for turn in last]
    reading = Reading(
        candidate=desk.one,
        row=_row(worded, example, desk),
        asked=talks[0][: -len(answers[0])],
        golds=(said[0], *said[1:])
        if isinstance(example, Preference)
        else (said[0], "")
        if example.good
        else ("", said[0]),
        talks=tuple(talks),
        tools=example.tools,
        ungradable=_ungradable(answers),
    )
    return [reading]


def _row(worded: Sequence[WordedChat], example: Preference | Rating, desk: Desk) -> Worded:
    ids = tuple(token for one in worded for token in one.ids)
    row = desk.row(ids, [learnt for one in worded for learnt in one.trained])
    size = sum(one.answer_bytes for one in worded)
    if isinstance(example, Rating):
        return dataclasses.replace(row, answer_bytes=size, score=float(example.good))
    return dataclasses.replace(row, answer_bytes=size, ends=(len(worded[0].ids), len(ids)))


def _ungradable(answers: Sequence[tuple[Message, ...]]) -> str:
    if any(len(answer) > 1 for answer in answers):
        return SEVERAL
    return CALL if any(answer[-1].tool_calls for answer in answers) else ""
