"""What must run and why, told without doing any of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from luthier.artifacts.folders import REPLACED, Artifact, DatasetDir
from luthier.artifacts.manifest import Manifest
from luthier.errors import NotFoundError, UserError
from luthier.models.bases import Base, cached_folder, resolve_base
from luthier.models.registry import REGISTRY
from luthier.pipeline.project import Project
from luthier.pipeline.stages import STAGES, Shelf, Stage, StageName, fits, key_of


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the plan."""

    stage: StageName
    runs: bool
    """False: a finished folder with the same key is there."""
    reason: str


def plan(project: Project) -> list[Step]:
    """Say for every stage whether it would run and why; nothing is fetched, moved or written."""
    base = _base_at_hand(project)
    shelf = Shelf()
    steps: list[Step] = []
    for stage in STAGES:
        waits_for = next((step.stage for step in steps if step.runs), None)
        if base is None and stage.name != "collect":
            steps.append(Step(stage.name, runs=True, reason=f"the base '{project.config.base}' is not fetched yet"))
        elif waits_for is not None:
            steps.append(Step(stage.name, runs=True, reason=f"{waits_for} runs first; skipped if its output is equal"))
        else:
            steps.append(_step(stage, project, base=base, shelf=shelf))
    return steps


def training_memory(project: Project) -> str | None:
    """How much memory training will need, in words; None while base or dataset are not there. Loads the base."""
    base = _base_at_hand(project)
    if base is None or any(step.runs for step in plan(project) if step.stage in {"collect", "prepare"}):
        return None
    from luthier.train.stage import foresee

    dataset = DatasetDir.open(project.folder / DatasetDir.kind)
    return foresee(dataset, base=base, config=project.config.train)


def why(stage: Stage, project: Project) -> str:
    """Why what lies in the run folder cannot be used: nothing there, other settings, or other inputs."""
    manifests = [_manifest(project.folder / kind.kind, kind) for kind in stage.makes]
    if not all(manifests):
        return "nothing there yet"
    manifest = manifests[0]
    assert manifest is not None
    changed = _changed(manifest.settings, getattr(project.config, stage.name))
    if changed:
        return f"settings changed: {', '.join(changed)}"
    return "inputs changed, the folder was damaged, or another version of Luthier made it"


def _step(stage: Stage, project: Project, *, base: Base | None, shelf: Shelf) -> Step:
    key = key_of(stage.name, project, base=base, shelf=shelf)
    found = [_lying_at(project.folder, kind, key) for kind in stage.makes]
    if not all(artifact is not None and fits(artifact, project) for artifact in found):
        return Step(stage.name, runs=True, reason=why(stage, project))
    shelf.put(*[artifact for artifact in found if artifact is not None])
    return Step(stage.name, runs=False, reason="finished, and nothing it depends on changed")


def _base_at_hand(project: Project) -> Base | None:
    name = project.config.base
    if name in REGISTRY and not cached_folder(name).exists():
        return None
    return resolve_base(name, relative_to=project.home)


def _lying_at(folder: Path, kind: type[Artifact], key: str) -> Artifact | None:
    for path in (folder / kind.kind, folder / REPLACED / f"{kind.kind}-{key[:12]}"):
        manifest = _manifest(path, kind)
        if manifest is not None and manifest.key == key:
            return kind.open(path)
    return None


def _manifest(path: Path, kind: type[Artifact]) -> Manifest | None:
    try:
        return kind.open(path).manifest
    except (NotFoundError, UserError):
        return None


def _changed(recorded: Mapping[str, Any], config: BaseModel) -> list[str]:
    then, now = dict(_flat(recorded)), dict(_flat(config.model_dump(mode="json")))
    return [f"{name} was {then[name]}, is {now[name]}" for name in sorted(then.keys() & now) if then[name] != now[name]]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
