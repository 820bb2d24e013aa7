"""Nouns that flow: frozen, plain, and free of any library.

Character offsets are Unicode code points; byte offsets say so in their name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Claim = Literal["SKILL", "KNOWLEDGE"]
"""What an exam can show: work on documents never trained on, or facts of documents that are trained on."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` of the UTF-8 text of a document, by its id."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an example came from. `at` is `file:line`, `file!sheet:row`, or `file` for a whole document."""

    at: str
    file: str
    """Path relative to the collected folder, as in the file ledger."""
    line: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """The row's other columns as text, for `split.group_by` and slices."""
    spans: tuple[Span, ...] = ()
    """The text it was cut from; empty for rows of row formats."""
    made_by: str | None = None
    """`generator@version` of a made example, None if a person wrote it."""
    parent: str | None = None
    """Id of the row it was made from."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the assistant calls. `arguments` is a JSON object as text; `id` is empty if the data gives none."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `weight` 0 keeps the turn as context without training on it."""

    role: Role
    content: str
    weight: int = 1
    tool_calls: tuple[ToolCall, ...] = ()
    """Only in assistant turns, whose content may then be empty."""
    tool_call_id: str = ""
    """Only in tool turns: the call whose result this is; empty if the data gives no ids."""
    name: str = ""
    """Only in tool turns: the tool whose result this is; empty if the data does not say."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation whose assistant turns are to be learnt."""

    messages: tuple[Message, ...]
    origin: Origin
    tools: tuple[str, ...] = ()
    """Declarations of the tools that can be called, each a JSON object as text."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text and its label; `others` holds the rest of several labels."""

    text: str
    label: str
    """Empty only where texts can have several labels and this one has none."""
    origin: Origin
    others: tuple[str, ...] = ()
    second: str = ""
    """The second of two texts that are judged together; empty if there is only one."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of the text."""
        return (self.label, *self.others) if self.label else ()


@dataclass(frozen=True, slots=True)
class Text:
    """Raw text: a document, or a part of one."""

    text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one prompt, the better and the worse; each answer is one or more turns."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    origin: Origin
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rating:
    """One answer and whether it was good."""

    prompt: tuple[Message, ...]
    answer: tuple[Message, ...]
    good: bool
    origin: Origin
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graded:
    """A prompt that the model answers by itself, and what its answers are graded by."""

    prompt: tuple[Message, ...]
    golds: tuple[str, ...]
    """Accepted answers, at least one; the first is what is shown."""
    graders: str
    """A JSON list of graders (`graders/marking.py`); empty: those of the project."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class Entity:
    """Characters `start` to `end` of a text, and what they name."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Tags:
    """A text and the entities in it."""

    text: str
    entities: tuple[Entity, ...]
    origin: Origin
    repairs: int = 0
    """Illegal BIO steps that were mended in reading."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """A question and the stretches of a text that answer it, as characters [start, end) of the context.

    The first answer is learnt, each is accepted; none: the context does not answer the question.
    """

    question: str
    context: str
    answers: tuple[tuple[int, int], ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a text that answers it, with texts that do not, or with a score from 0 to 1 of how alike they are."""

    query: str
    positive: str
    negatives: tuple[str, ...]
    score: float | None
    origin: Origin


Example = Chat | Label | Text | Preference | Rating | Graded | Tags | Extraction | Pair

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of a document with typed cells; `start` to `end` are the characters of its pipe table in the text."""

    at: str
    start: int
    end: int
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


PageState = Literal["read", "plain", "scanned", "bad text layer"]


@dataclass(frozen=True, slots=True)
class Page:
    """What became of one page, slide, sheet or whole file, and how much of its text the structured reading holds."""

    place: str
    """`page 3`, `slide 2`, `sheet Prices`, or empty for a whole file."""
    state: PageState
    """`plain`: structure was given up, because it would have lost or added words."""
    coverage: float = 1.0
    """Share of the reference's words that the reading holds, 0 to 1."""
    lost: tuple[str, ...] = ()
    """Words of the reference that are missing in the structured reading, at most 50."""


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
    anchors: tuple[tuple[int, str], ...] = ()
    """(offset in `text`, place): `page 3`, `slide 2`, `Prices!B7`; ordered, each holds up to the next."""
    grids: tuple[Grid, ...] = ()
    code: tuple[tuple[int, int], ...] = ()
    """Characters [start, end) of code blocks and definitions: kept whole where they fit."""
    pages: tuple[Page, ...] = ()
    thread: str | None = None
    """Conversation it belongs to (mail): documents of one thread stay together."""
    cut: Mapping[str, int] = field(default_factory=dict)
    """What was left out on purpose -> characters: hidden text, furniture, deletions, comments."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a row format, before anybody knows what kind of example it is."""

    at: str
    line: int
    values: Mapping[str, Any]
    offset: int | None = None
    """Byte of the file at which the row begins; None where a format has no such place."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be used, and why. `line` counts from 1 in the source file."""

    file: str
    line: int
    reason: str
    row: str
    """The row as it was read, cut to 2,000 characters."""
    offset: int | None = None
    """Byte of the file at which the row begins; None where a format has no such place (Parquet, XLSX)."""

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
    """Same length as `ids`: True where the token is to be learnt; all False where a text is learnt as a whole."""
    labels: tuple[int, ...] = ()
    """Places in the dataset's label list: of the text (classify) or of each trained token (tag)."""
    answer_bytes: int = 0
    """UTF-8 bytes of the trained text, for nats per byte; 0 where nothing is written."""
    ends: tuple[int, ...] = ()
    """Where each of its texts ends in `ids`, if it holds several; the last is the length of `ids`."""
    score: float | None = None
    """What a person said of it, 0 to 1: how alike two texts are, or whether an answer is good."""
    grading: str = ""
    """What answers to its prompt are graded by, as JSON (`graders/marking.py`), where the model writes them itself."""

    @property
    def texts(self) -> tuple[tuple[int, ...], ...]:
        """The ids of each of its texts; of the one that it is if it does not hold several."""
        ends = self.ends or (len(self.ids),)
        return tuple(self.ids[start:end] for start, end in zip((0, *ends), ends, strict=False))


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the sealed exam."""

    id: str
    document: str
    """The group it was cut from: the unit of sampling in all statistics."""
    task: str
    messages: tuple[Message, ...]
    """The prompt. Bare texts are user messages: the text of classify and tag, both texts of a pair, question and
    context of extract, the query of embed."""
    golds: tuple[str, ...]
    """Accepted answers. classify: its labels. tag: its entities as `start:end:TYPE`, in characters. prefer and reward:
    the better answer and the worse; of a rated answer the other is empty. embed: the positive, and the score as text if
    there is one. extract: empty text if the context does not answer."""
    at: str
    tools: tuple[str, ...] = ()
    """Declarations of the tools that the prompt shows."""
    claim: Claim = "SKILL"
    options: tuple[str, ...] = ()
    """Answers to choose from, one of which is gold; empty if the answer is written."""
    span: Span | None = None
    """Bytes of the document that hold the answer of a made item; None of rows that people wrote."""
    family: str = ""
    """Pattern that a made item is worded by; training never uses one of these."""
    flags: tuple[str, ...] = ()
    """What may make it easier than it looks, for the report."""


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
