"""Examples to rows of ids, and what happens to those that are too long."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from luthier.errors import UserError
from luthier.models.chat import WordedChat, Wording
from luthier.prepare.candidate import Candidate
from luthier.prepare.convert import framed, uses_tools
from luthier.records import Chat, Label, Listener, Message, Text, Tick, Worded

OverLength = Literal["stop", "drop", "shorten"]
TOO_LONG = "longer than the limit of tokens"
HIDDEN = {
    "tools": "the base's template shows no tools",
    "words": "the base's template leaves out what is said beside a tool call",
}
REFUSED = "the base's template refuses what is done with tools"
GAP = " ... "
"""What stands where the middle of a long text was."""
MOST_TOUCHED = 0.02
"""Share of rows that may be shortened or left out before somebody must say how."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """What is put around every question, and how long a row may be."""

    system: str | None
    instruction: str | None
    limit: int
    """Longest row in tokens."""
    over_length: OverLength | None
    """None: shorten, if that touches few rows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A candidate, or a part of it, as the model reads it."""

    candidate: Candidate
    messages: tuple[Message, ...]
    """The conversation with frame and after shortening; for a label, the text and its label."""
    row: Worded
    """Labels are not numbered yet: a label's index is 0."""
    shortened: bool
    is_last: bool = True
    """False for an earlier answer of a conversation that became one row per answer."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Declarations of the tools that can be called."""
        return self.candidate.example.tools if isinstance(self.candidate.example, Chat) else ()


class _Shared:
    """Holds equal ids and equal masks once: a token of a long corpus takes 8 bytes in place of 44."""

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        self._masks: dict[tuple[bool, ...], tuple[bool, ...]] = {}

    def of(self, one: Reading) -> Reading:
        """An equal reading."""
        row = one.row
        ids = tuple(map(self._ids.setdefault, row.ids, row.ids))
        trained = self._masks.setdefault(row.trained, row.trained)
        return dataclasses.replace(one, row=dataclasses.replace(row, ids=ids, trained=trained))


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that can be read, and what cannot."""

    kept: list[Reading]
    left: dict[str, list[Candidate]]
    """Reason -> candidates, one of them as often as rows of it left."""


def word(
    candidates: Sequence[Candidate], *, group_of: dict[str, str], wording: Wording, frame: Frame, listener: Listener
) -> Readings:
    """Word every candidate; UserError for a row that must not be cut, naming its place."""
    kept: list[Reading] = []
    left: dict[str, list[Candidate]] = defaultdict(list)
    shared = _Shared()
    for done, one in enumerate(candidates):
        if done % 200 == 0:
            listener(Tick("prepare", done, len(candidates), "wording"))
        try:
            found = _read(one, group_of[one.id], wording, frame)
        except UserError as error:
            raise UserError(f"{one.at}: {error}") from None
        for reading in found:
            if isinstance(reading, Reading):
                kept.append(shared.of(reading))
            else:
                left[reading].append(one)
    listener(Tick("prepare", len(candidates), len(candidates), "wording"))
    _check_lengths(kept, left[TOO_LONG], frame)
    return Readings(kept=kept, left={reason: gone for reason, gone in left.items() if gone})


def _check_lengths(kept: Sequence[Reading], too_long: Sequence[Candidate], frame: Frame) -> None:
    """R6: nothing is cut or left out against what was asked for, nor much of it if nothing was."""
    touched = [*(one.candidate for one in kept if one.shortened), *too_long]
    rows = len(kept) + len(too_long)
    allowed = MOST_TOUCHED * rows if frame.over_length is None else 0 if frame.over_length == "stop" else rows
    if len(touched) > allowed:
        places = "\n".join(one.at for one in touched[:SHOWN])
        raise UserError(
            f"receipt R6 (length): {len(touched)} of {rows} rows are longer than {frame.limit:,} tokens, the first "
            f"at:\n{places}\n"
            "Set prepare.over_length to 'shorten' or 'drop', or raise prepare.max_length if the base can read more."
        )


def _read(one: Candidate, group: str, wording: Wording, frame: Frame) -> Sequence[Reading | str]:
    """The rows of one candidate, or why there is none: several windows of a text, or answers of a conversation."""
    match one.example:
        case Chat() as chat:
            return _read_chat(one, chat, group, wording, frame)
        case Label() as label:
            return [_read_label(one, label, group, wording, frame) or TOO_LONG]
        case Text() as text:
            return _read_text(one, text.text, group, wording, frame)


def _read_text(one: Candidate, text: str, group: str, wording: Wording, frame: Frame) -> Sequence[Reading | str]:
    """The text in windows that fit; every token but the first of a window is learnt."""
    windows = list(_windows(one, text, group, wording, frame))
    if len(windows) > 1 and frame.over_length in {"stop", "drop"}:
        return [TOO_LONG]
    for number, window in enumerate(windows[1:], start=2):
        windows[number - 1] = dataclasses.replace(window, row=dataclasses.replace(window.row, id=f"{one.id}-{number}"))
    return windows


def _windows(one: Candidate, text: str, group: str, wording: Wording, frame: Frame) -> Iterator[Reading]:
    """The whole text, or halves of halves of it, cut at white space where there is any."""
    row = wording.document_row(text, row_id=one.id, group=group, at=one.at)
    if len(row.ids) <= frame.limit:
        yield Reading(candidate=one, messages=(Message("assistant", text),), row=row, shortened=False)
        return
    middle = len(text) // 2
    cut = max(text.rfind(" ", 1, middle), text.rfind("\n", 1, middle)) + 1 or middle
    for part in (text[:cut].rstrip(), text[cut:].lstrip()):
        if part:
            yield from _windows(one, part, group, wording, frame)


def _read_chat(one: Candidate, chat: Chat, group: str, wording: Wording, frame: Frame) -> Sequence[Reading | str]:
    """The conversation as one row, or as one for every answer where the template rewrites earlier turns."""
    messages = framed(chat.messages, system=frame.system, instruction=frame.instruction)
    if uses_tools(chat):
        try:
            hidden = wording.hides(messages, chat.tools)
        except UserError:
            return [REFUSED]
        if hidden:
            return [HIDDEN[hidden]]
    found: list[Reading | str] = []
    *earlier, whole = wording.unrolled(messages, tools=chat.tools)
    for number, part in enumerate([*earlier, whole], start=1):
        fitting = _fitting(part, chat.tools, wording, frame)
        if fitting is None:
            found.append(TOO_LONG)
            continue
        told, worded = fitting
        is_last, shortened = part is whole, told != part
        row_id = one.id if is_last else f"{one.id}-{number}"
        row = Worded(row_id, group, one.at, worded.ids, worded.trained, answer_bytes=worded.answer_bytes)
        found.append(Reading(candidate=one, messages=told, row=row, shortened=shortened, is_last=is_last))
    return found


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
    least, most = 1, questions - 1 if frame.over_length in {"shorten", None} else 0
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


def _read_label(one: Candidate, label: Label, group: str, wording: Wording, frame: Frame) -> Reading | None:
    text, ids = label.text, wording.text_ids(label.text)
    shortened = len(ids) > frame.limit and frame.over_length in {"shorten", None}
    if shortened:
        text = _head_and_tail(text, fits=lambda short: len(wording.text_ids(short)) <= frame.limit)
        ids = wording.text_ids(text)
    if len(ids) > frame.limit:
        return None
    row = Worded(id=one.id, group=group, at=one.at, ids=ids, trained=(False,) * len(ids), labels=(0,))
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
    return [dataclasses.replace(one.row, labels=(index[one.messages[-1].content],)) for one in readings]
