"""Conversations: OpenAI and ShareGPT turns, Alpaca, prompt and completion, question and answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.collect.formats.check import BadRowError, checked_list, checked_text, plain_text, structured
from luthier.collect.formats.extractions import is_marked
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.collect.formats.tools import checked_tools
from luthier.collect.formats.turns import check_conversation, is_conversation, is_sharegpt, read_turns, with_system
from luthier.records import Chat, Message, Origin, Role

SYSTEM_NAMES = ("system", "system_prompt")
TOOL_NAMES = ("tools", "functions")
CONTEXT = {"system": SYSTEM_NAMES, "tools": TOOL_NAMES}
"""Optional roles of every conversation."""
CONVERSATIONS = ("messages", "conversations", "conversation", "dialogue", "dialog")


def turns_or_text(value: Any, name: str, *, role: Role) -> tuple[Message, ...]:
    """A cell that holds turns, or the text of one turn of `role`; BadRowError if neither."""
    return read_turns(value, name) if is_conversation(value) else (Message(role, checked_text(value, name)),)


def _conversation(cells: Cells, origin: Origin) -> Chat:
    name = cells.name("messages")
    return _chat(read_turns(cells.value("messages"), name), cells, origin, name=name)


def _instruction(cells: Cells, origin: Origin) -> Chat:
    request = checked_text(cells.value("instruction"), cells.name("instruction"))
    material = plain_text(cells.value("input"))
    question = f"{request}\n\n{material}" if material.strip() else request
    reply = checked_text(cells.value("output"), cells.name("output"))
    turns = (*_history(cells), Message("user", question), Message("assistant", reply))
    return _chat(turns, cells, origin, name="(history + instruction + output)")


def _history(cells: Cells) -> list[Message]:
    name, value = cells.name("history"), structured(cells.value("history"))
    turns: list[Message] = []
    for place, pair in enumerate(checked_list(value, name) if value else []):
        where = f"{name}[{place}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise BadRowError(f"{where} is not a question with an answer")
        turns.append(Message("user", checked_text(pair[0], f"{where}[0]")))
        turns.append(Message("assistant", checked_text(pair[1], f"{where}[1]")))
    return turns


def _prompt(cells: Cells, origin: Origin) -> Chat:
    asked, told = cells.name("prompt"), cells.name("completion")
    prompt = turns_or_text(cells.value("prompt"), asked, role="user")
    completion = turns_or_text(cells.value("completion"), told, role="assistant")
    return _chat((*prompt, *completion), cells, origin, name=f"({asked} + {told})")


def _question(cells: Cells, origin: Origin) -> Chat:
    question = checked_text(cells.value("question"), cells.name("question"))
    context = plain_text(cells.value("context"))
    asked = f"{context}\n\n{question}" if context.strip() else question
    reply = checked_text(_first_answer(cells.value("answer")), cells.name("answer"))
    turns = (Message("user", asked), Message("assistant", reply))
    return _chat(turns, cells, origin, name="(question + answer)")


def _first_answer(value: Any) -> Any:
    """SQuAD and its like hold `{"text": [...], "answer_start": [...]}`; their first answer is the one marked first."""
    texts = value.get("text") if isinstance(value, Mapping) else None
    return next(iter(texts), "") if isinstance(texts, list) else value


def _chat(turns: Sequence[Message], cells: Cells, origin: Origin, *, name: str) -> Chat:
    messages = with_system(turns, cells.value("system"), cells.name("system"))
    tools = checked_tools(cells.value("tools"), cells.name("tools"))
    check_conversation(messages, name, tools=tools)
    if not any(turn.role == "assistant" and turn.weight for turn in messages):
        raise BadRowError(f"{name}: every assistant turn has weight 0; nothing to learn")
    return Chat(messages=messages, origin=origin, tools=tools)


def _looks_openai(cells: Cells) -> bool:
    return not is_sharegpt(cells.value("messages"))


def _looks_sharegpt(cells: Cells) -> bool:
    return is_sharegpt(cells.value("messages"))


OPENAI = RowFormat(
    name="openai",
    required={"messages": CONVERSATIONS},
    optional=CONTEXT,
    make=_conversation,
    looks=_looks_openai,
)
SHAREGPT = RowFormat(
    name="sharegpt",
    required={"messages": ("conversations", "conversation", "messages")},
    optional=CONTEXT,
    make=_conversation,
    looks=_looks_sharegpt,
)
ALPACA = RowFormat(
    name="alpaca",
    required={"instruction": ("instruction",), "output": ("output", "response", "answer")},
    optional={"input": ("input", "context"), "history": ("history",), **CONTEXT},
    make=_instruction,
)
PROMPT = RowFormat(
    name="prompt",
    required={"prompt": ("prompt",), "completion": ("completion", "response", "answer", "output")},
    optional=CONTEXT,
    make=_prompt,
)


def _looks_written(cells: Cells) -> bool:
    """True unless the answers are marked in the context, which is more than an answer in words."""
    return "context" not in cells.columns or not is_marked(cells.value("answer"))


QUESTION = RowFormat(
    name="qa",
    required={
        "question": ("question", "questions", "query", "q", "problem", "input"),
        "answer": ("answer", "answers", "response", "reply", "a", "solution", "output"),
    },
    optional={"context": ("context", "passage"), **CONTEXT},
    make=_question,
    looks=_looks_written,
)
