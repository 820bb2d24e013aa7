"""The four stages: their names, what they leave in the run folder, and the light way to know what each would make.

With cross-fitting every stage but collect runs in each fold before it runs for the run itself.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from luthier.artifacts.folders import AnswersDir, Artifact, CorpusDir, DatasetDir, ExamDir, ModelDir, ReportDir
from luthier.collect.config import collect_key
from luthier.evaluate.config import FOLDS, Models, Serve, answers_key, evaluate_key
from luthier.models.bases import Base
from luthier.pipeline.project import Project
from luthier.prepare.config import CrossFit, Fold, Target, has_same_codes, prepare_key
from luthier.prepare.private.pseudonym import PseudonymKey, make_key
from luthier.train.config import train_key

StageName = Literal["collect", "prepare", "train", "evaluate"]
ArtifactT = TypeVar("ArtifactT", bound=Artifact)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage and the kinds of artifact it makes; a kind's name is its folder inside the run."""

    name: StageName
    makes: tuple[type[Artifact], ...]


STAGES: tuple[Stage, ...] = (
    Stage("collect", (CorpusDir,)),
    Stage("prepare", (DatasetDir, ExamDir)),
    Stage("train", (ModelDir,)),
    Stage("evaluate", (ReportDir,)),
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One stage of the run itself, or of one of its folds (from 1)."""

    stage: Stage
    fold: int | None = None

    @property
    def name(self) -> str:
        """The stage, and the fold if it is one's."""
        return self.stage.name if self.fold is None else f"{self.stage.name}, fold {self.fold} of {FOLDS}"


def legs_of(project: Project) -> list[Leg]:
    """Everything that a run does, in order. A fold's evaluate only asks; what was answered is judged at the end."""
    numbers = range(1, FOLDS + 1) if project.config.evaluate.cross_fit else ()
    legs = []
    for stage in STAGES:
        if stage.name != "collect":
            makes = (AnswersDir,) if stage.name == "evaluate" else stage.makes
            legs += [Leg(Stage(stage.name, makes), number) for number in numbers]
        legs.append(Leg(stage))
    return legs


@dataclass(slots=True)
class Shelf:
    """The artifacts that a run has so far."""

    items: dict[str, Artifact] = field(default_factory=dict)
    folds: dict[int, "Shelf"] = field(default_factory=dict)
    """Those of each fold."""

    def at(self, fold: int | None) -> "Shelf":
        """The shelf of a fold, on which the corpus is that of the run; None: the run's own."""
        if fold is None:
            return self
        return self.folds.setdefault(fold, Shelf({CorpusDir.kind: self.items[CorpusDir.kind]}))

    def each(self, kind: type[ArtifactT]) -> tuple[ArtifactT, ...]:
        """The artifact of this kind of every fold, in their order."""
        return tuple(self.folds[number].take(kind) for number in sorted(self.folds))

    def put(self, *artifacts: Artifact) -> None:
        """Add artifacts, each under its kind."""
        self.items.update({artifact.kind: artifact for artifact in artifacts})

    def take(self, kind: type[ArtifactT]) -> ArtifactT:
        """The artifact of this kind; asking before its stage ran is our own mistake."""
        artifact = self.items[kind.kind]
        assert isinstance(artifact, kind)
        return artifact


def target_of(project: Project, base: Base, *, shelf: Shelf, fold: int | None = None) -> Target:
    """What prepare works for, of the run or of a fold; the first call for a project draws the key of its pseudonyms."""
    cross = None
    if project.config.evaluate.cross_fit:
        cross = CrossFit(examined=shelf.each(ExamDir)) if fold is None else CrossFit(fold=Fold(fold, FOLDS))
    return Target(base=base, objective=project.objective, secret=_secret_of(project), home=project.home, cross=cross)


def models_of(leg: Leg, base: Base, *, shelf: Shelf, serve: Serve | None = None) -> Models:
    """What evaluate asks, or, of cross-fitting, whose answers it judges."""
    tuned = shelf.at(leg.fold).take(ModelDir)
    return Models(base, tuned, serve=serve, folds=shelf.each(AnswersDir) if leg.fold is None else ())


def fits(artifact: Artifact, project: Project) -> bool:
    """Whether a folder with the right key can be used: a dataset must hold the pseudonyms of the project's own key."""
    if not isinstance(artifact, DatasetDir):
        return True
    return has_same_codes(artifact, _secret_of(project))


def key_of(leg: Leg, project: Project, *, base: Base | None, shelf: Shelf) -> str:
    """Key of what the leg would make; what earlier ones made must be on the shelf. Only collect needs no base."""
    config, own = project.config, shelf.at(leg.fold)
    if leg.stage.name == "collect":
        return collect_key(project.sources, config=config.collect)
    assert base is not None
    match leg.stage.name:
        case "prepare":
            target = target_of(project, base, shelf=shelf, fold=leg.fold)
            return prepare_key(own.take(CorpusDir), target=target, config=config.prepare)
        case "train":
            return train_key(config.train, dataset_digest=own.take(DatasetDir).digest, base_digest=base.digest)
        case "evaluate":
            key = evaluate_key if leg.fold is None else answers_key
            models = models_of(leg, base, shelf=shelf)
            return key(own.take(ExamDir), dataset=own.take(DatasetDir), models=models, config=config.evaluate)


def _secret_of(project: Project) -> PseudonymKey:
    return make_key(project.home / project.config.prepare.private.key)
