"""Conversations: OpenAI messages, Alpaca, prompt and completion, question and answer."""

from luthier.collect.formats.check import BadRowError, checked_messages, checked_text, plain_text
from luthier.collect.formats.shape import RowFormat, Values
from luthier.records import Chat, Message, Origin


def _openai(values: Values, origin: Origin) -> Chat:
    return Chat(messages=checked_messages(values["messages"]), origin=origin)


def _instruction(values: Values, origin: Origin) -> Chat:
    request = checked_text(values["question"], "instruction")
    material = plain_text(values.get("context"))
    return _turns(f"{request}\n\n{material}" if material.strip() else request, values, origin, answer="output")


def _prompt(values: Values, origin: Origin) -> Chat:
    prompt, completion = values["question"], values["answer"]
    if isinstance(prompt, list) and isinstance(completion, list):
        return Chat(messages=checked_messages([*prompt, *completion], "prompt + completion"), origin=origin)
    return _turns(checked_text(prompt, "prompt"), values, origin, answer="completion")


def _question(values: Values, origin: Origin) -> Chat:
    question = checked_text(values["question"], "question")
    context = plain_text(values.get("context"))
    return _turns(f"{context}\n\n{question}" if context.strip() else question, values, origin, answer="answer")


def _turns(question: str, values: Values, origin: Origin, *, answer: str) -> Chat:
    reply = checked_text(values["answer"], answer)
    system = values.get("system")
    if system is not None and not isinstance(system, str):
        raise BadRowError("system is not text")
    opening = (Message("system", system),) if system and system.strip() else ()
    return Chat(messages=(*opening, Message("user", question), Message("assistant", reply)), origin=origin)


OPENAI = RowFormat(name="openai", required={"messages": ("messages",)}, optional={}, make=_openai)
ALPACA = RowFormat(
    name="alpaca",
    required={"question": ("instruction",), "answer": ("output",)},
    optional={"context": ("input",), "system": ("system",)},
    make=_instruction,
)
PROMPT = RowFormat(
    name="prompt",
    required={"question": ("prompt",), "answer": ("completion", "response")},
    optional={"system": ("system",)},
    make=_prompt,
)
QUESTION = RowFormat(
    name="qa",
    required={"question": ("question", "query", "q"), "answer": ("answer", "response", "reply", "a")},
    optional={"context": ("context", "passage"), "system": ("system",)},
    make=_question,
)
