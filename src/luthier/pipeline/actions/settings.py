"""Every setting: what it means, what it is in a project, and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from luthier.artifacts.folders import ModelDir
from luthier.artifacts.manifest import read_manifest
from luthier.errors import NotFoundError
from luthier.pipeline.actions.shown import Shown
from luthier.pipeline.project import Project, ProjectConfig, open_project
from luthier.train.config import AdapterConfig, TrainConfig

AUTO = "auto"


def explain(file: Path | None, *, overrides: Sequence[str] = (), out: Path | None = None) -> Shown:
    """The settings' schema and, for a project, each value with the reason for it."""
    schema = ProjectConfig.model_json_schema()
    if file is None:
        rows = [{"name": name, "meaning": meaning} for name, _, meaning in _fields(ProjectConfig)]
        return Shown({"schema": schema}, "\n".join(f"{row['name']:<34} {row['meaning']}" for row in rows))
    project = open_project(file, overrides=overrides, out=out)
    chosen = {override.partition("=")[0].strip() for override in overrides}
    settled = _settled(project)
    rows = [_row(name, meaning, project, chosen, settled) for name, _, meaning in _fields(ProjectConfig)]
    lines = [f"{row['name']:<34} {json.dumps(row['value'], ensure_ascii=False):<24} {row['reason']}" for row in rows]
    return Shown(
        {"project": str(project.file), "run": str(project.folder), "settings": rows, "schema": schema}, "\n".join(lines)
    )


def _row(name: str, meaning: str, project: Project, chosen: set[str], settled: Mapping[str, Any]) -> dict[str, Any]:
    value: Any = project.config
    given = True
    for part in name.split("."):
        given = given and part in value.model_fields_set
        value = getattr(value, part)
    reason = "set with --set" if name in chosen else f"set in {project.file.name}" if given else "default"
    if value == AUTO:
        value, reason = settled.get(name, (AUTO, f"decided when the stage runs. {meaning}"))
    return {"name": name, "value": to_jsonable_python(value), "reason": reason, "meaning": meaning}


def _fields(kind: type[BaseModel], before: str = "") -> Iterator[tuple[str, Any, str]]:
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", field.default, " ".join((field.description or "").split())


def _settled(project: Project) -> dict[str, tuple[Any, str]]:
    """What `auto` is on this machine, or became when this run's model was trained: setting -> value and reason."""
    workers = project.config.compute.resolved_workers()
    here = {"compute.workers": (workers.value, workers.reason)}
    try:
        facts = read_manifest(project.folder / ModelDir.kind).facts
    except NotFoundError:
        return here
    inner = {name: name for name in TrainConfig.model_fields} | {
        name: f"adapter.{name}" for name in AdapterConfig.model_fields
    }
    return here | {
        f"train.{inner[name]}": (row["value"], f"{row['reason']} (as trained)")
        for name, row in facts.get("choices", {}).items()
        if name in inner
    }
