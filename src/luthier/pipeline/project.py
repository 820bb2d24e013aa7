"""The project file: `luthier.yaml` as one object, and the run folder that belongs to it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import field_validator, model_validator

from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.collect.config import CollectConfig
from luthier.compute.config import ComputeConfig
from luthier.config import Settings, dump_yaml, load_settings
from luthier.errors import NotFoundError
from luthier.evaluate.config import EvaluateConfig
from luthier.objectives import OBJECTIVES, Objective, objective
from luthier.prepare.config import PrepareConfig
from luthier.train.config import TrainConfig

PROJECT_COPY = "project.yaml"
FOLDS_FOLDER = "folds"
"""Inside a run folder: a folder for each fold of cross-fitting, which holds what the run's own folder holds."""


class ServeConfig(Settings):
    """Where the model answers."""

    host: str = "127.0.0.1"
    port: int = 8080


class ProjectConfig(Settings):
    """Everything a run needs."""

    name: str
    """Name of the run; its folder is `<out>/<name>`."""
    objective: str
    """What the model is to learn: see `luthier.objectives`."""
    base: str = "smollm2-135m"
    """A known name, a folder, or `hf:org/name`."""
    out: str = "runs"
    """Folder of runs, relative to the project file."""
    collect: CollectConfig
    prepare: PrepareConfig = PrepareConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    compute: ComputeConfig = ComputeConfig()
    serve: ServeConfig = ServeConfig()

    @field_validator("name")
    @classmethod
    def _one_folder(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.-]{0,99}", name):
            raise ValueError("must be letters, digits, '.', '_' or '-', and start with a letter or digit")
        return name

    @model_validator(mode="after")
    def _can_cross_fit(self) -> Self:
        split, exam = self.prepare.split, self.prepare.exam
        ways = {
            "evaluate.sequential": self.evaluate.sequential,
            "prepare.split.given": split.given is not None,
            "prepare.split.newest": split.newest is not None,
            f"prepare.exam.claim: {exam.claim}": exam.claim != "skill",
        }
        other = [name for name, is_set in ways.items() if is_set]
        if self.evaluate.cross_fit and other:
            raise ValueError(f"evaluate.cross_fit examines every document in turn, and excludes {' and '.join(other)}")
        return self

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, name: str) -> str:
        if name not in OBJECTIVES:
            raise ValueError(f"does not exist. Choose one of: {', '.join(OBJECTIVES)}")
        return name


@dataclass(frozen=True, slots=True)
class Project:
    """A project file with every path resolved."""

    file: Path
    config: ProjectConfig
    folder: Path
    """The run folder."""

    def at(self, fold: int | None) -> "Project":
        """The same project working in the folder of one fold; None: in its own."""
        return self if fold is None else replace(self, folder=self.folder / FOLDS_FOLDER / str(fold))

    @property
    def home(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self.file.parent

    @property
    def sources(self) -> list[Path]:
        """What to collect, as paths."""
        return [self.home / source for source in self.config.collect.sources]

    @property
    def objective(self) -> Objective:
        """The row of the objectives table."""
        return objective(self.config.objective)


def open_project(file: Path, *, overrides: Sequence[str] = (), out: Path | None = None) -> Project:
    """Load a project file, or the copy inside a run folder; `out` replaces the folder of runs.

    Raises NotFoundError for a missing file and UserError for a setting that does not fit.
    """
    path = file / "luthier.yaml" if (file / "luthier.yaml").is_file() else file
    path = (file / PROJECT_COPY if (file / PROJECT_COPY).is_file() else path).absolute()
    config = load_settings(ProjectConfig, path, overrides=overrides)
    folder = (out.absolute() if out is not None else Path(os.path.normpath(path.parent / config.out))) / config.name
    return Project(file=path, config=config, folder=folder)


def open_run(folder: Path) -> Project:
    """The project of a run folder; NotFoundError if the folder is not one."""
    if not (folder / PROJECT_COPY).is_file():
        raise NotFoundError(f"{folder}: not a run folder ({PROJECT_COPY} is missing). Make one with: luthier run")
    return open_project(folder / PROJECT_COPY)


def write_copy(project: Project) -> None:
    """Keep the resolved settings in the run folder, with paths that start from there."""
    path = project.folder / PROJECT_COPY
    with explain_disk(path):
        write_atomic(path, dump_yaml(_seen_from_run(project)).encode())


def _seen_from_run(project: Project) -> dict[str, Any]:
    values = project.config.model_dump(mode="json")
    values["out"] = ".."
    values["collect"]["sources"] = [os.path.relpath(source, project.folder) for source in project.sources]
    private, suites = values["prepare"]["private"], values["evaluate"]["suites"] or {}
    for section, name in ((private, "key"), (private, "names"), (suites, "folder"), (suites, "python")):
        if section.get(name) is not None:
            section[name] = os.path.relpath(project.home / section[name], project.folder)
    if (project.home / project.config.base / "config.json").is_file():
        values["base"] = os.path.relpath(project.home / project.config.base, project.folder)
    return values
