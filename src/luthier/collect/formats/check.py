"""Is this row what its format promises? A refusal is a reason, never a silent drop."""

import datetime
import math
from collections.abc import Mapping
from typing import Any, cast

from luthier.artifacts.canonical import canonical_json
from luthier.records import Message, Role

ROLES = ("system", "user", "assistant")


class BadRowError(Exception):
    """The row cannot become an example; the text is the reason."""


def checked_text(value: Any, name: str) -> str:
    """A cell as text, verbatim; BadRowError if it is missing, blank, a list or an object."""
    if isinstance(value, str):
        if not value.strip():
            raise BadRowError(f"{name} is empty")
        return value
    if isinstance(value, list | dict):
        raise BadRowError(f"{name} is {'a list' if isinstance(value, list) else 'an object'}, expected text")
    text = plain_text(value)
    if not text:
        raise BadRowError(f"{name} is empty")
    return text


def plain_text(value: Any) -> str:
    """Any cell as text: ISO dates, whole numbers without '.0', lists and objects as JSON, None and NaN as ''."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return ""
        case float() if value.is_integer():
            return str(int(value))
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | dict():
            return canonical_json(_jsonable(value)).decode("utf-8")
        case _:
            return str(value)


def checked_messages(value: Any, name: str = "messages") -> tuple[Message, ...]:
    """A conversation: an optional system turn, then user and assistant in turn, the assistant last."""
    if not isinstance(value, list) or not value:
        raise BadRowError(f"{name} is {'empty' if value in (None, [], '') else 'not a list'}")
    messages = tuple(_checked_turn(turn, f"{name}[{place}]") for place, turn in enumerate(value))
    _check_order(messages, name)
    if not any(turn.role == "assistant" and turn.weight for turn in messages):
        raise BadRowError(f"{name}: every assistant turn has weight 0; nothing to learn")
    return messages


def _checked_turn(turn: Any, name: str) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRowError(f"{name} is not an object")
    role = turn.get("role")
    if role not in ROLES:
        raise BadRowError(f"{name}.role {role!r} is unknown; known: {', '.join(ROLES)}")
    if turn.get("tool_calls") or turn.get("function_call"):
        raise BadRowError(f"{name} calls a tool; only text turns can be learnt")
    content = turn.get("content")
    if not isinstance(content, str):
        raise BadRowError(f"{name}.content is {'missing' if content is None else 'not text'}")
    if not content.strip():
        raise BadRowError(f"{name}.content is empty")
    return Message(role=cast(Role, role), content=content, weight=_checked_weight(turn.get("weight"), name))


def _checked_weight(weight: Any, name: str) -> int:
    if weight is None:
        return 1
    if isinstance(weight, bool) or weight not in (0, 1):
        raise BadRowError(f"{name}.weight is {weight!r}; it can be 0 or 1")
    return int(weight)


def _check_order(messages: tuple[Message, ...], name: str) -> None:
    for place, turn in enumerate(messages):
        before = messages[place - 1].role if place else None
        wanted = {None: {"system", "user"}, "system": {"user"}, "user": {"assistant"}, "assistant": {"user"}}[before]
        if turn.role not in wanted:
            where = f"after {before}" if before else "first"
            raise BadRowError(f"{name}[{place}] is a {turn.role} turn {where}; expected {' or '.join(sorted(wanted))}")
    if messages[-1].role != "assistant":
        raise BadRowError(f"{name} ends with a {messages[-1].role} turn; the last must be the assistant's")


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | str) else plain_text(value)
