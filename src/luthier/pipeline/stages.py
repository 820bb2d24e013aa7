"""The four stages: their names, what they leave in the run folder, and the light way to know what each would make."""

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from luthier.artifacts.folders import Artifact, CorpusDir, DatasetDir, ExamDir, ModelDir, ReportDir
from luthier.collect.config import collect_key
from luthier.evaluate.config import evaluate_key
from luthier.models.bases import Base
from luthier.pipeline.project import Project
from luthier.prepare.config import Target, has_same_codes, prepare_key
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


@dataclass(slots=True)
class Shelf:
    """The artifacts that a run has so far."""

    items: dict[str, Artifact] = field(default_factory=dict)

    def put(self, *artifacts: Artifact) -> None:
        """Add artifacts, each under its kind."""
        self.items.update({artifact.kind: artifact for artifact in artifacts})

    def take(self, kind: type[ArtifactT]) -> ArtifactT:
        """The artifact of this kind; asking before its stage ran is our own mistake."""
        artifact = self.items[kind.kind]
        assert isinstance(artifact, kind)
        return artifact


def target_of(project: Project, base: Base) -> Target:
    """What prepare works for; the first call for a project draws the key of its pseudonyms."""
    return Target(base=base, objective=project.objective, secret=_secret_of(project), home=project.home)


def fits(artifact: Artifact, project: Project) -> bool:
    """Whether a folder with the right key can be used: a dataset must hold the pseudonyms of the project's own key."""
    if not isinstance(artifact, DatasetDir):
        return True
    return has_same_codes(artifact, _secret_of(project))


def key_of(name: StageName, project: Project, *, base: Base | None, shelf: Shelf) -> str:
    """Key of what the stage would make; what earlier stages made must be on the shelf. Only collect needs no base."""
    config = project.config
    if name == "collect":
        return collect_key(project.sources, config=config.collect)
    assert base is not None
    match name:
        case "prepare":
            return prepare_key(shelf.take(CorpusDir), target=target_of(project, base), config=config.prepare)
        case "train":
            return train_key(config.train, dataset_digest=shelf.take(DatasetDir).digest, base_digest=base.digest)
        case "evaluate":
            dataset, tuned = shelf.take(DatasetDir), shelf.take(ModelDir)
            return evaluate_key(shelf.take(ExamDir), dataset=dataset, base=base, tuned=tuned, config=config.evaluate)


def _secret_of(project: Project) -> PseudonymKey:
    return make_key(project.home / project.config.prepare.private.key)
