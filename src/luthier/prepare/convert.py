"""From the kinds of example a corpus holds to the one an objective learns from, where nothing is lost."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

from luthier.artifacts.rows import KINDS
from luthier.errors import UserError
from luthier.objectives import Objective, RecordKind
from luthier.prepare.candidate import turns_of
from luthier.prepare.clean.rules import NOT_LEARNT
from luthier.records import Chat, Example, Extraction, Graded, Label, Message, Pair, Preference, Rating, Tags, Text

NOT_LEARNT_FROM: dict[type[Example], str] = {
    Text: "plain text without a question and an answer, which objective 'complete' would learn from",
    Chat: "a conversation, which objective 'chat' would learn from",
    Label: "a labelled text, which objective 'classify' would learn from",
    Preference: "a better and a worse answer, which objective 'prefer' would learn from",
    Rating: "an answer judged good or bad, which objective 'prefer' would learn from",
    Graded: "a question whose answers are graded, which objective 'reinforce' would learn from",
    Tags: "a text with marked entities, which objective 'tag' would learn from",
    Extraction: "a question about a text, which objective 'extract' would learn from",
    Pair: "a pair of texts, which objective 'embed' would learn from",
}
"""Kind of example -> why an objective that wants another kind cannot use it."""
WANTED: dict[RecordKind, str] = {
    "chat": "questions with answers or texts with labels",
    "label": "questions with answers or texts with labels",
    "text": "documents and plain texts",
    "preference": "prompts with a better and a worse answer",
    "rating": "answers judged good or bad",
    "graded": "questions with accepted answers, or texts with labels",
    "tags": "texts with marked entities",
    "extraction": "questions with texts and the places of the answers in them",
    "pair": "pairs of texts that belong together",
}
TOOLS = "a conversation with tools is not one text with one label"
NO_LABEL = "empty answer, and no text of the corpus has several labels"
UNGRADED = "a conversation with tools, whose answers are not graded by their text"
NO_GOLD = "its answer is empty, so there is nothing to grade by"
NO_ANSWER = "a question that its text does not answer, which objective 'extract' would learn from"
SEVERAL_TURNS = "a conversation of several turns is not one text with one label"
SEVERAL_SYSTEMS = "its system message differs from other rows', and classify reads the bare text"


@dataclasses.dataclass(frozen=True, slots=True)
class Common:
    """What must be known of all examples before one can be converted."""

    one_system: bool = True
    """No two conversations differ in their system text: before every conversation it tells a classifier nothing."""
    several_labels: bool = False
    """Some text has several labels, so a text may also have none."""


NOTHING_COMMON = Common()
"""Of a single example."""


def common_of(examples: Iterable[Example]) -> Common:
    """Look at every example once."""
    systems: set[str] = set()
    several = False
    for example in examples:
        if isinstance(example, Chat):
            systems.add(_system(example))
        several = several or (isinstance(example, Label) and bool(example.others))
    return Common(one_system=len(systems - {""}) <= 1, several_labels=several)


def convert(example: Example, objective: Objective, *, common: Common) -> Example | str:
    """What the objective learns from this example, or why it cannot."""
    match example:
        case Chat() if objective.record == "label":
            return _label(example, common.one_system)
        case Label() if objective.record == "chat":
            return Chat(messages=turns_of(example), origin=example.origin)
        case Extraction() if objective.record == "chat":
            return Chat(messages=turns_of(example), origin=example.origin) if example.answers else NO_ANSWER
        case Chat() | Label() if objective.record == "graded":
            return _graded(example)
        case Label(label="") if objective.record == "label" and not common.several_labels:
            return NO_LABEL
        case _ if KINDS[type(example)] in {objective.record, *objective.also}:
            return example
        case _:
            return NOT_LEARNT_FROM[type(example)]


def nothing_usable(reasons: Counter[str], *, objective: Objective, first: str) -> UserError:
    """What to tell if nothing can be learnt from; `reasons` say why rows left, `first` where the first one stood."""
    if not reasons:
        return UserError("the corpus holds no examples. Look at files.parquet and rejects.parquet of its folder.")
    told = ", ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
    wanted = " or ".join(WANTED[kind] for kind in (objective.record, *objective.also))
    return UserError(
        f"objective '{objective.name}' learns from {wanted}, and the corpus has "
        f"none ({told}; first at {first}). Name the columns in collect.columns, or add such files."
    )


def framed(messages: Sequence[Message], *, system: str | None, instruction: str | None) -> tuple[Message, ...]:
    """A conversation as the model is asked: system text if it has none, the instruction before every question."""
    turns = [
        dataclasses.replace(turn, content=f"{instruction}\n\n{turn.content}")
        if instruction and turn.role == "user"
        else turn
        for turn in messages
    ]
    if system and (not turns or turns[0].role != "system"):
        turns.insert(0, Message("system", system))
    return tuple(turns)


def uses_tools(messages: Sequence[Message], tools: Sequence[str]) -> bool:
    """True if tools are declared, called, or answer in this conversation."""
    return bool(tools) or any(turn.tool_calls or turn.role == "tool" for turn in messages)


def _label(example: Chat, one_system: bool) -> Label | str:
    if uses_tools(example.messages, example.tools):
        return TOOLS
    turns = [turn for turn in example.messages if turn.role != "system"]
    if [turn.role for turn in turns] != ["user", "assistant"]:
        return SEVERAL_TURNS
    if not one_system and _system(example):
        return SEVERAL_SYSTEMS
    if turns[1].weight == 0:
        return NOT_LEARNT
    return Label(text=turns[0].content, label=turns[1].content, origin=example.origin)


def _graded(example: Chat | Label) -> Graded | str:
    """The last answer is the gold."""
    if isinstance(example, Chat) and uses_tools(example.messages, example.tools):
        return UNGRADED
    *prompt, gold = turns_of(example)
    if gold.weight == 0:
        return NOT_LEARNT
    return Graded(tuple(prompt), (gold.content,), "", example.origin) if gold.content.strip() else NO_GOLD


def _system(example: Chat) -> str:
    return "\n".join(turn.content for turn in example.messages if turn.role == "system")
