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
from luthier.pipeline.stages import Leg, Shelf, Stage, StageName, fits, key_of, legs_of


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the plan."""

    stage: StageName
    runs: bool
    """False: a finished folder with the same key is there."""
    reason: str
    name: str
    """The stage, and the fold if it is one's."""


def plan(project: Project) -> list[Step]:
    """Say for every stage whether it would run and why; nothing is fetched, moved or written."""
    base = _base_at_hand(project)
    shelf = Shelf()
    steps: list[Step] = []
    for leg in legs_of(project):
        waits_for = next((step.name for step in steps if step.runs), None)
        if base is None and leg.stage.name != "collect":
            found, reason = False, f"the base '{project.config.base}' is not fetched yet"
        elif waits_for is not None:
            found, reason = False, f"{waits_for} runs first; skipped if its output is equal"
        else:
            found = _on_shelf(leg, project, base=base, shelf=shelf)
            reason = "finished, and nothing it depends on changed" if found else why(leg.stage, project.at(leg.fold))
        steps.append(Step(leg.stage.name, not found, reason, leg.name))
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


def _on_shelf(leg: Leg, project: Project, *, base: Base | None, shelf: Shelf) -> bool:
    key = key_of(leg, project, base=base, shelf=shelf)
    found = [_lying_at(project.at(leg.fold).folder, kind, key) for kind in leg.stage.makes]
    if not all(artifact is not None and fits(artifact, project) for artifact in found):
        return False
    shelf.at(leg.fold).put(*[artifact for artifact in found if artifact is not None])
    return True


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
