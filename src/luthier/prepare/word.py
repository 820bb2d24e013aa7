"""Examples to rows of ids, and what happens to those that are too long."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.prepare.candidate import Candidate
from luthier.prepare.convert import framed
from luthier.records import Chat, Label, Listener, Message, Text, Tick, Worded

OverLength = Literal["stop", "drop", "shorten"]
TOO_LONG = "longer than the limit of tokens"
GAP = " ... "
"""What stands where the middle of a long text was."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """What is put around every question, and how long a row may be."""

    system: str | None
    instruction: str | None
    limit: int
    """Longest row in tokens."""
    over_length: OverLength


@dataclass(frozen=True, slots=True)
class Reading:
    """A candidate as the model reads it."""

    candidate: Candidate
    messages: tuple[Message, ...]
    """The conversation with frame and after shortening; for a label, the text and its label."""
    row: Worded
    """Labels are not numbered yet: a label's index is 0."""
    shortened: bool


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that can be read, and what cannot."""

    kept: list[Reading]
    too_long: list[Candidate]


def word(
    candidates: Sequence[Candidate], *, group_of: dict[str, str], wording: Wording, frame: Frame, listener: Listener
) -> Readings:
    """Word every candidate; UserError for a row that must not be cut, naming its place."""
    kept, too_long = [], []
    for done, one in enumerate(candidates):
        if done % 200 == 0:
            listener(Tick("prepare", done, len(candidates), "wording"))
        try:
            readings = _read(one, group_of[one.id], wording, frame)
        except UserError as error:
            raise UserError(f"{one.at}: {error}") from None
        if not readings:
            too_long.append(one)
        kept += readings
    listener(Tick("prepare", len(candidates), len(candidates), "wording"))
    if too_long and frame.over_length == "stop":
        places = "\n".join(one.at for one in too_long[:SHOWN])
        raise UserError(
            f"{len(too_long)} of {len(candidates)} examples are longer than {frame.limit:,} tokens, the first at:\n"
            f"{places}\n"
            "Set prepare.over_length to 'shorten' or 'drop', or raise prepare.max_length if the base can read more."
        )
    return Readings(kept=kept, too_long=too_long)


def _read(one: Candidate, group: str, wording: Wording, frame: Frame) -> list[Reading]:
    """The rows of one candidate: one, none if it is too long, or several windows of a text."""
    match one.example:
        case Chat() as chat:
            reading = _read_chat(one, chat, group, wording, frame)
        case Label() as label:
            reading = _read_label(one, label, group, wording, frame)
        case Text() as text:
            return _read_text(one, text.text, group, wording, frame)
    return [reading] if reading else []


def _read_text(one: Candidate, text: str, group: str, wording: Wording, frame: Frame) -> list[Reading]:
    """The text in windows that fit; every token but the first of a window is learnt."""
    readings: list[Reading] = []
    for number, window in enumerate(_windows(text, wording, frame.limit), start=1):
        row_id = one.id if number == 1 else f"{one.id}-{number}"
        row = wording.document_row(window, row_id=row_id, group=group, at=one.at)
        readings.append(Reading(candidate=one, messages=(Message("assistant", window),), row=row, shortened=False))
    return readings


def _windows(text: str, wording: Wording, limit: int) -> Iterator[str]:
    """The whole text, or halves of halves of it, cut at white space where there is any."""
    if len(wording.document_ids(text)) <= limit:
        yield text
        return
    middle = len(text) // 2
    cut = max(text.rfind(" ", 1, middle), text.rfind("\n", 1, middle)) + 1 or middle
    for part in (text[:cut].rstrip(), text[cut:].lstrip()):
        if part:
            yield from _windows(part, wording, limit)


def _read_chat(one: Candidate, chat: Chat, group: str, wording: Wording, frame: Frame) -> Reading | None:
    messages = framed(chat.messages, system=frame.system, instruction=frame.instruction)
    worded = wording.chat_ids(messages)
    answer = len(worded.ids) - worded.turns[-1].start
    if answer > frame.limit:
        raise UserError(
            f"the answer alone has {answer:,} tokens and the limit is {frame.limit:,}. An answer is never cut: "
            "shorten it, split the row, or raise prepare.max_length if the base can read more."
        )
    shortened = False
    while len(worded.ids) > frame.limit and frame.over_length == "shorten":
        fewer = _without_oldest_turn(messages)
        if fewer is None:
            break
        messages, shortened = fewer, True
        worded = wording.chat_ids(messages)
    if len(worded.ids) > frame.limit:
        return None
    row = Worded(
        id=one.id,
        group=group,
        at=one.at,
        ids=worded.ids,
        trained=worded.trained,
        label=None,
        answer_bytes=worded.answer_bytes,
    )
    return Reading(candidate=one, messages=messages, row=row, shortened=shortened)


def _without_oldest_turn(messages: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """Drop the oldest question with its answers; None if only the last one is left. System text always stays."""
    asked = [index for index, turn in enumerate(messages) if turn.role == "user"]
    if len(asked) < 2:
        return None
    system = tuple(turn for turn in messages[: asked[0]] if turn.role == "system")
    return system + messages[asked[1] :]


def _read_label(one: Candidate, label: Label, group: str, wording: Wording, frame: Frame) -> Reading | None:
    text, ids = label.text, wording.text_ids(label.text)
    shortened = len(ids) > frame.limit and frame.over_length == "shorten"
    if shortened:
        text = _head_and_tail(text, fits=lambda short: len(wording.text_ids(short)) <= frame.limit)
        ids = wording.text_ids(text)
    if len(ids) > frame.limit:
        return None
    row = Worded(id=one.id, group=group, at=one.at, ids=ids, trained=(False,) * len(ids), label=0, answer_bytes=0)
    turns = (Message("user", text), Message("assistant", label.label))
    return Reading(candidate=one, messages=turns, row=row, shortened=shortened)


def _head_and_tail(text: str, *, fits: Callable[[str], bool]) -> str:
    """The longest text of equal head and tail that fits, by bisection over characters; '' if none does."""
    low, high = 0, len(text) // 2
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[:middle] + GAP + text[-middle:]):
            low = middle
        else:
            high = middle - 1
    return text[:low] + GAP + text[-low:] if low else ""


def number_labels(readings: Sequence[Reading], labels: Sequence[str]) -> list[Worded]:
    """Rows with the index of their label in `labels`; a label that is not in it is our own mistake."""
    index = {label: place for place, label in enumerate(labels)}
    return [dataclasses.replace(one.row, label=index[one.messages[-1].content]) for one in readings]
