"""Is this cell what its format promises? A refusal is a reason, never a silent drop."""

import datetime
import math
from collections.abc import Mapping
from typing import Any

import orjson

from luthier.artifacts.canonical import canonical_json
from luthier.collect.readers.jsonl import MOST_DEPTH, is_deeper


class BadRowError(Exception):
    """The row cannot become an example; the text is the reason."""


def checked_text(value: Any, name: str) -> str:
    """A cell as text, verbatim; BadRowError if it is missing, blank, a list or an object."""
    if isinstance(value, str):
        if not value.strip():
            raise BadRowError(f"{name} is empty")
        return value
    if isinstance(value, list | dict):
        raise BadRowError(f"{name} is {kind_of(value)}, expected text")
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


def structured(value: Any) -> Any:
    """A list or object, also where a CSV or XLSX cell holds it as JSON text; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
        return value if is_deeper(found, MOST_DEPTH) else found
    return value


def checked_list(value: Any, name: str) -> list[Any]:
    """A list with at least one entry, also as JSON text."""
    found = structured(value)
    if found in (None, "", [], {}):
        raise BadRowError(f"{name} is empty")
    if not isinstance(found, list):
        raise BadRowError(f"{name} is not a list")
    return found


def without_nulls(value: Any) -> Any:
    """A JSON value without the null members of its objects, which Parquet adds to make all rows alike."""
    if isinstance(value, Mapping):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def json_text(value: Any) -> str:
    """A JSON value as text, members in the order of the data: the order in which a template will write them."""
    return orjson.dumps(value, default=plain_text).decode("utf-8")


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {str: "text", bool: "true or false", list: "a list", type(None): "null", int: "a number", float: "a number"}
    return names.get(type(value), "an object")


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | str) else plain_text(value)
