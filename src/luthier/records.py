"""Nouns that flow: frozen, plain, and free of any library.

Character offsets are Unicode code points; byte offsets say so in their name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an example came from. `at` is `file:line`, `file!sheet:row`, or `file` for a whole document."""

    at: str
    file: str
    """Path relative to the collected folder, as in the file ledger."""
    line: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """The row's other columns as text, for `split.group_by` and slices."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `weight` 0 keeps the turn as context without training on it."""

    role: Role
    content: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation whose assistant turns are to be learnt."""

    messages: tuple[Message, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Label:
    """A text and its label."""

    text: str
    label: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Text:
    """Raw text of a document."""

    text: str
    origin: Origin


Example = Chat | Label | Text


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader makes of one prose file. `id` is the SHA-256 of the source bytes."""

    id: str
    file: str
    kind: str
    title: str
    text: str
    headings: tuple[tuple[int, int, str], ...] = ()
    """(offset in `text`, level from 1, heading)."""
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a row format, before anybody knows what kind of example it is."""

    at: str
    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be used, and why. `line` counts from 1 in the source file."""

    file: str
    line: int
    reason: str
    row: str
    """The row as it was read, cut to 2,000 characters."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote for one prompt."""

    text: str
    ids: tuple[int, ...]
    """Generated token ids without the end token."""
    ended: bool
    """True if the model stopped by itself, False if it hit the token limit."""


@dataclass(frozen=True, slots=True)
class Worded:
    """An example as the model reads it."""

    id: str
    group: str
    at: str
    ids: tuple[int, ...]
    trained: tuple[bool, ...]
    """Same length as `ids`: True where the token is to be learnt (chat); all False for classify."""
    label: int | None
    """Index into the dataset's label list (classify), else None."""
    answer_bytes: int
    """UTF-8 bytes of the trained text, for nats per byte; 0 for classify."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the sealed exam."""

    id: str
    document: str
    """The group it was cut from: the unit of sampling in all statistics."""
    task: str
    messages: tuple[Message, ...]
    """The prompt. For classify: one user message holding the bare text."""
    golds: tuple[str, ...]
    """Accepted answers; for classify the one label."""
    at: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Progress of long work, told to whoever listens. `total` 0 means unknown."""

    stage: str
    done: int
    total: int
    note: str = ""


Listener = Callable[[Tick], None]


def nobody_listens(tick: Tick) -> None:
    """The listener of those who do not care."""
