"""From the kinds of example a corpus holds to the one an objective learns from, where nothing is lost."""

import dataclasses
from collections.abc import Sequence

from luthier.errors import UserError
from luthier.objectives import Objective, RecordKind
from luthier.prepare.candidate import Books, Usable, turns_of
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
TOOLS = "tool calls are not learnt yet"
SEVERAL_LABELS = "several labels, and classify learns one per text"
SEVERAL_TURNS = "a conversation of several turns is not one text with one label"
SEVERAL_SYSTEMS = "its system message differs from other rows', and classify reads the bare text"


def convert(
    examples: Sequence[Example], *, objective: Objective, books: Books, may_be_empty: bool = False
) -> list[Usable]:
    """Convert what can be used and quarantine the rest; UserError if nothing can be used, unless it may be so."""
    if not examples and not may_be_empty:
        raise UserError("the corpus holds no examples. Look at files.parquet and rejects.parquet of the corpus folder.")
    # The same system text before every conversation tells a classifier nothing.
    one_system = len({_system(example) for example in examples if isinstance(example, Chat)} - {""}) <= 1
    usable = []
    for example in examples:
        converted = _convert(example, objective, one_system)
        if isinstance(converted, str):
            books.drop(example, rule=converted)
        else:
            usable.append(converted)
    if not usable and not may_be_empty:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(books.counts.items()))
        raise UserError(
            f"objective '{objective.name}' learns from {WANTED[objective.record]}, and the corpus has "
            f"none ({reasons}; first at {examples[0].origin.at}). "
            "Name the columns in collect.columns, or add such files."
        )
    return usable


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


def _convert(example: Example, objective: Objective, one_system: bool) -> Usable | str:
    if objective.record == "text":
        return example if isinstance(example, Text) else NOT_LEARNT_FROM[type(example)]
    match example:
        case Chat() if uses_tools(example):
            return TOOLS
        case Chat():
            return example if objective.record == "chat" else _label(example, one_system)
        case Label() if objective.record == "chat":
            return Chat(messages=turns_of(example), origin=example.origin)
        case Label():
            return SEVERAL_LABELS if example.others else example
        case _:
            return NOT_LEARNT_FROM[type(example)]


def uses_tools(chat: Chat) -> bool:
    """True if tools are declared, called, or answer in this conversation."""
    return bool(chat.tools) or any(turn.tool_calls or turn.role == "tool" for turn in chat.messages)


def _label(example: Chat, one_system: bool) -> Label | str:
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
