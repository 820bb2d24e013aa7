"""From the kinds of example a corpus holds to the one an objective learns from, where nothing is lost."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

from luthier.errors import UserError
from luthier.objectives import Objective, RecordKind
from luthier.prepare.candidate import Usable, turns_of
from luthier.prepare.clean.rules import NOT_LEARNT
from luthier.records import Chat, Example, Label, Message, Pair, Preference, Rating, Tags, Text

NOT_LEARNT_FROM: dict[type[Example], str] = {
    Text: "plain text without a question and an answer, which objective 'complete' would learn from",
    Chat: "a conversation, which objective 'chat' would learn from",
    Label: "a labelled text, which objective 'classify' would learn from",
    Preference: "a better and a worse answer, which objective 'prefer' would learn from",
    Rating: "an answer judged good or bad, which objective 'prefer' would learn from",
    Tags: "a text with marked entities, which objective 'tag' would learn from",
    Pair: "a pair of texts, which objective 'embed' would learn from",
}
"""Kind of example -> why an objective that wants another kind cannot use it."""
WANTED: dict[RecordKind, str] = {
    "chat": "questions with answers or texts with labels",
    "label": "questions with answers or texts with labels",
    "text": "documents and plain texts",
}
TOOLS = "a conversation with tools is not one text with one label"
SEVERAL_LABELS = "several labels, and classify learns one per text"
SEVERAL_TURNS = "a conversation of several turns is not one text with one label"
SEVERAL_SYSTEMS = "its system message differs from other rows', and classify reads the bare text"


def convert(example: Example, objective: Objective, *, one_system: bool) -> Usable | str:
    """What the objective learns from this example, or why it cannot.

    `one_system`: no two conversations of the corpus differ in their system text (see `have_one_system`).
    """
    if objective.record == "text":
        return example if isinstance(example, Text) else NOT_LEARNT_FROM[type(example)]
    match example:
        case Chat():
            return example if objective.record == "chat" else _label(example, one_system)
        case Label() if objective.record == "chat":
            return Chat(messages=turns_of(example), origin=example.origin)
        case Label():
            return SEVERAL_LABELS if example.others else example
        case _:
            return NOT_LEARNT_FROM[type(example)]


def have_one_system(examples: Iterable[Example]) -> bool:
    """True if all system texts are the same: before every conversation it tells a classifier nothing."""
    return len({_system(example) for example in examples if isinstance(example, Chat)} - {""}) <= 1


def nothing_usable(reasons: Counter[str], *, objective: Objective, first: str) -> UserError:
    """What to tell if nothing can be learnt from; `reasons` say why rows left, `first` where the first one stood."""
    if not reasons:
        return UserError("the corpus holds no examples. Look at files.parquet and rejects.parquet of its folder.")
    told = ", ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
    return UserError(
        f"objective '{objective.name}' learns from {WANTED[objective.record]}, and the corpus has "
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


def uses_tools(chat: Chat) -> bool:
    """True if tools are declared, called, or answer in this conversation."""
    return bool(chat.tools) or any(turn.tool_calls or turn.role == "tool" for turn in chat.messages)


def _label(example: Chat, one_system: bool) -> Label | str:
    if uses_tools(example):
        return TOOLS
    turns = [turn for turn in example.messages if turn.role != "system"]
    if [turn.role for turn in turns] != ["user", "assistant"]:
        return SEVERAL_TURNS
    if not one_system and _system(example):
        return SEVERAL_SYSTEMS
    if turns[1].weight == 0:
        return NOT_LEARNT
    return Label(text=turns[0].content, label=turns[1].content, origin=example.origin)


def _system(example: Chat) -> str:
    return "\n".join(turn.content for turn in example.messages if turn.role == "system")
