"""Read, override, validate and dump settings: the only YAML, and the only environment variables.

A stage's settings class stands at the stage's door (`luthier/<stage>/config.py`) and derives from `Settings`.
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from luthier.errors import NotFoundError, UsageError, UserError

MAX_ALIASES = 100
MAX_DEPTH = 50

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound="Settings")
KeyPath = tuple[str | int, ...]


class Settings(BaseModel):
    """Base of every settings class: unknown keys fail, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A value that was `auto` and why it became what it is."""

    value: T
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column in a file, both from 1."""

    line: int
    column: int


def cache_home() -> Path:
    """Folder for fetched and converted models: `LUTHIER_HOME`, else the user's cache folder."""
    chosen = os.environ.get("LUTHIER_HOME")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "luthier"


def hub_allowed() -> bool:
    """False when the environment asks libraries to stay offline."""
    return os.environ.get("HF_HUB_OFFLINE", "0") in {"", "0"}


def foreign_environment() -> dict[str, str]:
    """Variables for a program that is not ours: paths, proxies and the hub's, and no key of another service."""
    named = {"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY"}
    return {name: value for name, value in os.environ.items() if name.upper() in named or name.startswith("HF_")}


def secret(variable: str) -> str | None:
    """The value of a variable that holds a key; None if it is not set."""
    return os.environ.get(variable)


def load_settings(kind: type[SettingsT], path: Path, *, overrides: Sequence[str] = ()) -> SettingsT:
    """Read a YAML file into `kind`, with `a.b=c` overrides on top.

    Raises NotFoundError for a missing file and UserError naming file, line, column and the nearest known key.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file. Make one with: luthier init FOLDER")
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    values, places = parse_yaml(source, name=str(path))
    for override in overrides:
        _apply(values, places, override)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(_explain(error, kind, places, str(path)))) from None


def parse_yaml(source: str, *, name: str) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """Parse YAML text into plain values and the place of every key; UserError for anything but a mapping."""
    try:
        loader = yaml.CSafeLoader(source)
        try:
            node = loader.get_single_node()
            _check_bounds(source, node, name)
            values = loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UserError(f"{where}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{name}:1:1: expected settings as 'key: value' lines")
    return values, dict(_places(node, ())) if node is not None else {}


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Write plain values as YAML in the given order."""
    text: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=110)
    return text


def _check_bounds(source: str, node: yaml.Node | None, name: str) -> None:
    aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source, Loader=yaml.CSafeLoader))
    if aliases > MAX_ALIASES:
        raise UserError(f"{name}: more than {MAX_ALIASES} aliases")
    level = [node] if node is not None else []
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise UserError(f"{name}: nested more than {MAX_DEPTH} levels deep")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _places(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, Place]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            yield inner, Place(key.start_mark.line + 1, key.start_mark.column + 1)
            yield from _places(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), Place(value.start_mark.line + 1, value.start_mark.column + 1)
            yield from _places(value, (*path, index))


def _apply(values: dict[str, Any], places: dict[KeyPath, Place], override: str) -> None:
    dotted, equals, text = override.partition("=")
    path = tuple(dotted.strip().split("."))
    if not equals or not all(path):
        raise UsageError(f"--set {override}: expected KEY.KEY=VALUE, for example train.seed=1")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    inner: Any = values
    for depth, key in enumerate(path[:-1]):
        if inner.get(key) is None:
            inner[key] = {}
        inner = inner[key]
        if not isinstance(inner, dict):
            raise UsageError(f"--set {override}: {'.'.join(path[: depth + 1])} is not a group of settings")
    inner[path[-1]] = value
    for known in [place for place in places if place[: len(path)] == path]:
        del places[known]


def _explain(error: ValidationError, kind: type[BaseModel], places: Mapping[KeyPath, Place], name: str) -> list[str]:
    return [_explain_one(dict(problem), kind, places, name) for problem in error.errors(include_url=False)]


def _explain_one(problem: Mapping[str, Any], kind: type[BaseModel], places: Mapping[KeyPath, Place], name: str) -> str:
    path = tuple(part for part in problem["loc"] if not _is_union_tag(part, places))
    place = next((places[path[:end]] for end in range(len(path), 0, -1) if path[:end] in places), None)
    where = f"{name}:{place.line}:{place.column}" if place else name
    dotted = ".".join(str(part) for part in path) or "settings"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, problem["loc"][:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known here: {', '.join(known)}"
        return f"{where}: '{dotted}' is not a setting. {hint}"
    if problem["type"] == "missing":
        return f"{where}: '{dotted}' is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: '{dotted}': {message} (got {problem['input']!r})"


def _is_union_tag(part: str | int, places: Mapping[KeyPath, Place]) -> bool:
    """Pydantic names the tried branch of a union ('int', "literal['auto']") inside the path of a problem."""
    text = str(part)
    in_file = any(text in map(str, known) for known in places)
    return not in_file and (text in {"int", "float", "str", "bool"} or "[" in text)


def _known_keys(kind: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    here: Any = kind
    for part in path:
        found = here.model_fields.get(str(part)) if isinstance(here, type) and issubclass(here, BaseModel) else None
        here = found.annotation if found is not None else here
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            choices = [inner for inner in getattr(here, "__args__", ()) if isinstance(inner, type)]
            here = next((inner for inner in choices if issubclass(inner, BaseModel)), here)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []
