"""Tools: what is declared, what is called, and whether the two agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from luthier.collect.formats.check import BadRowError, checked_text, json_text, kind_of, structured, without_nulls
from luthier.records import Message, ToolCall

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def checked_tools(value: Any, name: str) -> tuple[str, ...]:
    """Declarations as JSON texts `{"type": "function", "function": {...}}`; bare functions are wrapped."""
    found = structured(value)
    if found in (None, "", [], {}):
        return ()
    if not isinstance(found, list):
        raise BadRowError(f"{name} is not a list")
    return tuple(_checked_tool(structured(tool), f"{name}[{place}]") for place, tool in enumerate(found))


def checked_calls(turn: Mapping[str, Any], name: str) -> tuple[ToolCall, ...]:
    """The calls of a turn: `tool_calls`, or `function_call` of old files."""
    old = turn.get("function_call")
    if old:
        return (_checked_call(old, f"{name}.function_call"),)
    calls = structured(turn.get("tool_calls"))
    if not calls:
        return ()
    if not isinstance(calls, list):
        raise BadRowError(f"{name}.tool_calls is not a list")
    return tuple(_checked_call(call, f"{name}.tool_calls[{place}]") for place, call in enumerate(calls))


def calls_in(text: str, name: str) -> tuple[ToolCall, ...]:
    """The calls of a ShareGPT `function_call` turn: one JSON object, or a list of them."""
    found = structured(text)
    calls = found if isinstance(found, list) else [found]
    if not calls:
        raise BadRowError(f"{name} is empty")
    return tuple(_checked_call(call, name) for call in calls)


def check_tools(messages: Sequence[Message], tools: Sequence[str], name: str) -> None:
    """BadRowError if an answer belongs to no call, a call has no answer, or a call does not fit its tool."""
    _check_answers(messages, name)
    declared = {tool["function"]["name"]: tool["function"] for tool in map(orjson.loads, tools)}
    for place, turn in enumerate(messages):
        for number, call in enumerate(turn.tool_calls):
            where = f"{name}[{place}].tool_calls[{number}]"
            if declared and call.name not in declared:
                raise BadRowError(f"{where} calls '{call.name}', which is not among the tools")
            schema = declared.get(call.name, {}).get("parameters")
            problem = misfit(orjson.loads(call.arguments), schema, "arguments")
            if problem:
                raise BadRowError(f"{where}.{problem}")


def misfit(value: Any, schema: Any, name: str) -> str:
    """Why a JSON value breaks a JSON Schema, else empty.

    Judged are type, enum, required, properties, additionalProperties and items; other keywords pass.
    """
    if not isinstance(schema, Mapping):
        return ""
    wanted = schema.get("type")
    types = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    if types and not any(_is_of(value, kind) for kind in types):
        return f"{name} is {kind_of(value)}, expected {' or '.join(map(str, types))}"
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        return f"{name} is {json_text(value)}, expected one of {json_text(choices)}"
    if isinstance(value, dict):
        return _misfit_object(value, schema, name)
    if isinstance(value, list):
        problems = (misfit(inner, schema.get("items"), f"{name}[{place}]") for place, inner in enumerate(value))
        return next(filter(None, problems), "")
    return ""


def _misfit_object(value: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> str:
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, Mapping) else {}
    for member in required if isinstance(required, list) else []:
        if isinstance(member, str) and member not in value:
            return f"{name}.{member} is missing"
    for member, inner in value.items():
        if member not in known and schema.get("additionalProperties") is False:
            return f"{name}.{member} is not known to the tool"
        problem = misfit(inner, known.get(member), f"{name}.{member}")
        if problem:
            return problem
    return ""


def _is_of(value: Any, kind: Any) -> bool:
    if not isinstance(kind, str) or kind not in TYPES:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[kind])


def _check_answers(messages: Sequence[Message], name: str) -> None:
    open_calls: dict[str, str] = {}
    for place, turn in enumerate(messages):
        if turn.role == "tool" and turn.tool_call_id:
            if open_calls.pop(turn.tool_call_id, None) is None:
                raise BadRowError(f"{name}[{place}].tool_call_id '{turn.tool_call_id}' answers no open call")
        elif turn.role != "tool" and open_calls:
            where, call = next((where, call) for call, where in open_calls.items())
            raise BadRowError(f"{where} '{call}' is never answered")
        for number, call_made in enumerate(turn.tool_calls):
            where = f"{name}[{place}].tool_calls[{number}]"
            if call_made.id in open_calls:
                raise BadRowError(f"{where}.id '{call_made.id}' is used twice")
            if call_made.id and _has_ids(messages[place + 1 :]):
                open_calls[call_made.id] = where


def _has_ids(following: Sequence[Message]) -> bool:
    # The last turn may call tools whose answers lie outside the conversation; some files give no ids in answers.
    return bool(following) and following[0].role == "tool" and bool(following[0].tool_call_id)


def _checked_tool(tool: Any, name: str) -> str:
    if not isinstance(tool, Mapping):
        raise BadRowError(f"{name} is not an object")
    tool = without_nulls(tool)
    function = tool.get("function", tool)
    if not isinstance(function, Mapping):
        raise BadRowError(f"{name}.function is not an object")
    checked_text(function.get("name"), f"{name}.name")
    return json_text(tool if "function" in tool else {"type": "function", "function": tool})


def _checked_call(call: Any, name: str) -> ToolCall:
    if not isinstance(call, Mapping):
        raise BadRowError(f"{name} is not an object with a name and arguments")
    function = call.get("function") or call
    if not isinstance(function, Mapping):
        raise BadRowError(f"{name}.function is not an object")
    given = function.get("arguments")
    arguments = structured(given) if isinstance(given, str) else without_nulls(given)
    if arguments in (None, ""):
        arguments = {}
    if not isinstance(arguments, dict):
        raise BadRowError(f"{name}.arguments is not a JSON object")
    known = checked_text(function.get("name"), f"{name}.name")
    return ToolCall(name=known, arguments=json_text(arguments), id=str(call.get("id") or ""))
