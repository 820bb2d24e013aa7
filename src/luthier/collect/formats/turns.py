"""Turns of a conversation in the two dialects there are, and the order they must have."""

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.collect.formats.check import BadRowError, checked_list, checked_text, structured
from luthier.collect.formats.tools import calls_in, check_tools, checked_calls
from luthier.records import Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
SENDERS: dict[str, Role] = {
    "system": "system",
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "bot", "chatgpt", "model", "function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("observation", "tool", "tool_response", "function_response"), "tool"),
}
CALLING = {"function_call", "tool_call"}
TEXT_PARTS = {"text", "input_text", "output_text"}


def is_conversation(value: Any) -> bool:
    """True for a turn, and for a list that begins with one, also as JSON text."""
    found = structured(value)
    if isinstance(found, list):
        return bool(found) and _is_turn(found[0])
    return _is_turn(value)


def is_sharegpt(value: Any) -> bool:
    """True for a list whose first turn says `from`."""
    found = structured(value)
    return isinstance(found, list) and is_conversation(found) and found[0].get("from") is not None


def read_turns(value: Any, name: str) -> tuple[Message, ...]:
    """A list of turns, or one turn, each checked alone; BadRowError with the reason."""
    if _is_turn(value):
        return (_turn(value, name),)
    return tuple(_turn(turn, f"{name}[{place}]") for place, turn in enumerate(checked_list(value, name)))


def check_conversation(messages: Sequence[Message], name: str, *, tools: Sequence[str] = ()) -> None:
    """An optional system turn, then user and assistant in turn, with tools between a call and what follows.

    The assistant speaks last. BadRowError with the reason.
    """
    for place, turn in enumerate(messages):
        before = messages[place - 1] if place else None
        wanted = _following(before)
        if turn.role not in wanted:
            where = f"after {_described(before)}" if before else "first"
            expected = " or ".join(sorted(wanted))
            raise BadRowError(f"{name}[{place}] is {_article(turn.role)} turn {where}; expected {expected}")
    if messages[-1].role != "assistant":
        raise BadRowError(f"{name} ends with {_article(messages[-1].role)} turn; the last must be the assistant's")
    check_tools(messages, tools, name)


def with_system(messages: Sequence[Message], system: Any, name: str) -> tuple[Message, ...]:
    """The conversation under a system text of its own column; BadRowError if it has another one already."""
    if system is None or (isinstance(system, str) and not system.strip()):
        return tuple(messages)
    text = checked_text(system, name)
    if messages and messages[0].role == "system":
        if messages[0].content != text:
            raise BadRowError(f"{name} differs from the system turn of the conversation; keep one")
        return tuple(messages)
    return (Message("system", text), *messages)


def _following(before: Message | None) -> set[str]:
    if before is None:
        return {"system", "user"}
    if before.role == "assistant":
        return {"tool"} if before.tool_calls else {"user"}
    return {"system": {"user"}, "user": {"assistant"}, "tool": {"tool", "assistant"}}[before.role]


def _described(turn: Message) -> str:
    return f"{turn.role} with a tool call" if turn.tool_calls else turn.role


def _article(role: str) -> str:
    return f"an {role}" if role == "assistant" else f"a {role}"


def _is_turn(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return ("role" in value or "from" in value) and not {"content", "value", "tool_calls"}.isdisjoint(value)


def _turn(turn: Any, name: str) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRowError(f"{name} is not an object")
    is_sharegpt_turn = turn.get("from") is not None and turn.get("role") is None
    return _sharegpt_turn(turn, name) if is_sharegpt_turn else _openai_turn(turn, name)


def _openai_turn(turn: Mapping[str, Any], name: str) -> Message:
    role = _role(turn.get("role"), ROLES, f"{name}.role")
    calls = checked_calls(turn, name)
    if calls and role != "assistant":
        raise BadRowError(f"{name} calls a tool in {_article(role)} turn")
    key = "value" if turn.get("content") is None and turn.get("value") is not None else "content"
    content = "" if calls and turn.get(key) in (None, "", []) else _content(turn.get(key), f"{name}.{key}")
    weight = _weight(turn.get("weight"), name)
    if role != "tool":
        return Message(role, content, weight, tool_calls=calls)
    answered, tool = turn.get("tool_call_id") or "", turn.get("name") or ""
    return Message(role, content, weight, tool_call_id=str(answered), name=str(tool))


def _sharegpt_turn(turn: Mapping[str, Any], name: str) -> Message:
    role = _role(turn["from"], SENDERS, f"{name}.from")
    key = "content" if turn.get("value") is None and turn.get("content") is not None else "value"
    content, weight = _content(turn.get(key), f"{name}.{key}"), _weight(turn.get("weight"), name)
    if turn["from"] in CALLING:
        return Message(role, "", weight, tool_calls=calls_in(content, f"{name}.{key}"))
    return Message(role, content, weight)


def _role(found: Any, known: Mapping[str, Role], name: str) -> Role:
    if not isinstance(found, str) or found not in known:
        raise BadRowError(f"{name} {found!r} is unknown; known: {', '.join(known)}")
    return known[found]


def _content(value: Any, name: str) -> str:
    if isinstance(value, list):
        value = "".join(_part(part, f"{name}[{place}]") for place, part in enumerate(value))
    if not isinstance(value, str):
        raise BadRowError(f"{name} is {'missing' if value is None else 'not text'}")
    if not value.strip():
        raise BadRowError(f"{name} is empty")
    return value


def _part(part: Any, name: str) -> str:
    text = part.get("text") if isinstance(part, Mapping) and part.get("type") in TEXT_PARTS else None
    if not isinstance(text, str):
        raise BadRowError(f"{name} is not text")
    return text


def _weight(weight: Any, name: str) -> int:
    if weight is None:
        return 1
    if isinstance(weight, bool) or weight not in (0, 1):
        raise BadRowError(f"{name}.weight is {weight!r}; it can be 0 or 1")
    return int(weight)
