"""Conversations: what the assistant says is learnt; the oldest turns of a long one leave."""

from collections.abc import Sequence

from luthier.errors import UserError
from luthier.models.chat import WordedChat, Wording
from luthier.prepare.convert import framed, uses_tools
from luthier.prepare.reading import TOO_LONG, Desk, Frame, Reading
from luthier.records import Chat, Message, Worded

HIDDEN = {
    "tools": "the base's template shows no tools",
    "words": "the base's template leaves out what is said beside a tool call",
}
REFUSED = "the base's template refuses what is done with tools"
CALL = "it ends in a tool call, which the exam cannot grade by its text"
EARLIER = "the exam asks for the last answer of a conversation only"


def read(chat: Chat, desk: Desk) -> Sequence[Reading | str]:
    """The conversation as one row, or as one for every answer where the template rewrites earlier turns."""
    one, wording, frame = desk.one, desk.wording, desk.frame
    messages = framed(chat.messages, system=frame.system, instruction=frame.instruction)
    refusal = refusal_of(messages, chat.tools, wording)
    if refusal is not None:
        return [refusal]
    found: list[Reading | str] = []
    *earlier, whole = wording.unrolled(messages, tools=chat.tools)
    for number, part in enumerate([*earlier, whole], start=1):
        fitting = _fitting(part, chat.tools, wording, frame)
        if fitting is None:
            found.append(TOO_LONG)
            continue
        told, worded = fitting
        *asked, answer = told
        is_last = part is whole
        row_id = one.id if is_last else f"{one.id}-{number}"
        reading = Reading(
            candidate=one,
            row=Worded(row_id, desk.group, one.at, worded.ids, worded.trained, answer_bytes=worded.answer_bytes),
            asked=tuple(asked),
            golds=(answer.content,),
            talks=(told,),
            tools=chat.tools,
            shortened=told != part,
            ungradable=CALL if answer.tool_calls else "" if is_last else EARLIER,
        )
        found.append(reading)
    return found


def refusal_of(messages: Sequence[Message], tools: Sequence[str], wording: Wording) -> str | None:
    """Why the base's template cannot tell a conversation with tools, or None."""
    if not uses_tools(messages, tools):
        return None
    try:
        hidden = wording.hides(messages, tools)
    except UserError:
        return REFUSED
    return HIDDEN[hidden] if hidden else None


def _fitting(
    messages: tuple[Message, ...], tools: Sequence[str], wording: Wording, frame: Frame
) -> tuple[tuple[Message, ...], WordedChat] | None:
    """A conversation that fits, without its oldest turns if need be; None if it cannot be made to fit."""
    worded = wording.chat_ids(messages, tools=tools)
    answer = len(worded.ids) - worded.turns[-1].start
    if answer > frame.limit and frame.over_length != "drop":
        raise UserError(
            f"the answer alone has {answer:,} tokens and the limit is {frame.limit:,}. An answer is never cut: "
            "shorten it, split the row, raise prepare.max_length if the base can read more, or set "
            "prepare.over_length to 'drop'."
        )
    if len(worded.ids) <= frame.limit:
        return messages, worded
    questions = sum(turn.role == "user" for turn in messages)
    least, most = 1, 0 if frame.keeps_whole else questions - 1
    fitting = None
    while least <= most:
        middle = (least + most) // 2
        fewer = _without_oldest(messages, middle)
        worded = wording.chat_ids(fewer, tools=tools)
        if len(worded.ids) <= frame.limit:
            fitting, most = (fewer, worded), middle - 1
        else:
            least = middle + 1
    return fitting


def _without_oldest(messages: tuple[Message, ...], count: int) -> tuple[Message, ...]:
    """Drop the oldest questions with all that followed them. System text before them stays."""
    asked = [index for index, turn in enumerate(messages) if turn.role == "user"]
    system = tuple(turn for turn in messages[: asked[0]] if turn.role == "system")
    return system + messages[asked[count] :]
