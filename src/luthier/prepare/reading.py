"""A candidate as the model reads it, and what is put around it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from luthier.models.chat import Wording
from luthier.prepare.candidate import Candidate
from luthier.records import Message, Worded

OverLength = Literal["stop", "drop", "shorten"]
TOO_LONG = "longer than the limit of tokens"


@dataclass(frozen=True, slots=True)
class Frame:
    """What is put around every question, and how long a text may be."""

    system: str | None
    instruction: str | None
    limit: int
    """Longest text in tokens; of texts that are read as one, all of them together."""
    over_length: OverLength | None
    """None: shorten, if that touches few rows."""
    is_masked: bool = False
    """Whether raw text is learnt by filling in what is masked, not by going on."""

    @property
    def keeps_whole(self) -> bool:
        """Whether a text that is too long must neither be shortened nor be cut into windows."""
        return self.over_length in {"stop", "drop"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A candidate, or a part of it, as the model reads it."""

    candidate: Candidate
    row: Worded
    """Labels are not numbered yet: `names` holds them."""
    asked: tuple[Message, ...]
    """What the exam shows: a prompt with its frame, or bare texts as user turns."""
    golds: tuple[str, ...]
    """What the exam accepts (see `Item.golds`)."""
    talks: tuple[tuple[Message, ...], ...] = ()
    """The conversations that the template worded, with frame and after shortening; one for each text of the row."""
    texts: tuple[str, ...] = ()
    """The bare texts that the tokenizer worded."""
    names: tuple[str, ...] = ()
    """Its labels: of the text, or of every trained token."""
    tools: tuple[str, ...] = ()
    """Declarations of the tools that can be called."""
    shortened: bool = False
    ungradable: str = ""
    """Why the exam cannot ask it; empty if it can."""


def bare(texts: Sequence[str]) -> tuple[Message, ...]:
    """Bare texts as the turns of an exam item."""
    return tuple(Message("user", text) for text in texts)


def numbered(readings: Sequence[Reading]) -> list[Reading]:
    """Windows of one candidate under ids of their own; the first keeps the candidate's."""
    return [
        dataclasses.replace(one, row=dataclasses.replace(one.row, id=f"{one.row.id}-{number}")) if number > 1 else one
        for number, one in enumerate(readings, start=1)
    ]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one candidate is worded."""

    one: Candidate
    group: str
    wording: Wording
    frame: Frame

    def row(self, ids: Sequence[int], trained: Sequence[bool] | None = None) -> Worded:
        """A row of these ids; without a mask nothing is learnt token by token."""
        mask = (False,) * len(ids) if trained is None else tuple(trained)
        return Worded(self.one.id, self.group, self.one.at, tuple(ids), mask)
