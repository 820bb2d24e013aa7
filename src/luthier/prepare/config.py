"""Settings of the prepare stage, and the key of what it writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.folders import CorpusDir, DatasetDir, ExamDir, stage_key
from luthier.config import Settings
from luthier.models.bases import Base
from luthier.objectives import Objective
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.private.config import PrivateConfig
from luthier.prepare.private.forget import forget_list_path, read_forget_list
from luthier.prepare.private.pseudonym import PseudonymKey

VERSION = 11
"""Rises when the stage writes something else for the same input."""

ExamTask = Literal["cloze", "definition", "order", "table", "number"]
EXAM_TASKS: tuple[ExamTask, ...] = get_args(ExamTask)


class SplitConfig(Settings):
    """How examples are divided. Groups are never cut."""

    group_by: str | None = Field(default=None, min_length=1)
    """Column whose equal values stay together; `code[:3]` takes its first 3 characters; `question` groups equal
    questions only. None: everything from one file stays together."""
    validation: float = Field(default=0.08, gt=0, lt=0.5)
    """Share of groups for validation, 0 to 1."""
    exam: float = Field(default=0.12, gt=0, lt=0.5)
    """Share of groups for the exam, 0 to 1; a small folder gives more."""
    items_per_group: int = Field(default=5, ge=1)
    """At most this many exam items from one group; surplus leaves by item id."""
    most_items: int = Field(default=2_000, ge=40)
    """The exam takes no further group once it holds this many items, nor does validation with as many rows: more would
    cost hours and show little: 2,000 independent items already show a gain of 3.4 points (power 0.8)."""
    held_out: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """Files, folders or archives that must never be learnt from, such as your own benchmark, named as in the list of
    files (`*` stands for anything). Their rows leave, and every row that is equal or near to one of them or contains
    it."""
    given: str | None = Field(default=None, min_length=1)
    """A split of your own: the column that says `train`, `validation` or `test`, or `file` if names of files or folders
    do. It is kept, and training rows that belong with its exam, or give a question away, leave. Rows are then
    grouped by `question` unless `group_by` says otherwise."""
    newest: str | None = Field(default=None, min_length=1)
    """Column with a date or a number (of mail and documents: `date`) by which the newest groups become the exam."""
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.given is not None and self.newest is not None:
            raise ValueError("given and newest exclude each other: a split of your own needs no other")
        return self


class ExamConfig(Settings):
    """Questions that are made from documents, beside held-out documents themselves (objective complete)."""

    claim: Literal["skill", "knowledge", "both"] = "skill"
    """What the model is to be judged by. `skill`: work on documents never trained on. `knowledge`: facts of documents
    that are trained on, asked without them; skill is shown beside it. `both`: skill decides, knowledge is shown."""
    make: list[ExamTask] = Field(default=list(EXAM_TASKS))
    """Which of four answers goes on a text that breaks off: before a rare term, number or quantity (`cloze`), before
    what a term is said to be (`definition`), or between two sentences (`order`); which of four values a cell of a table
    holds, or which row the most (`table`); and what number stands in a cell, to be written (`number`). []: nothing."""
    canaries: bool = False
    """Plant 24 made-up secrets in training (168 short rows: 8 secrets each 1, 4 and 16 times), to measure how well this
    training remembers what it read once or often (chat, complete). The model will know them, and evaluating it reads
    24,576 short answers more: minutes for a small base, and longer for others."""


class PrepareConfig(Settings):
    """How examples become what the model reads."""

    clean: CleanConfig = CleanConfig()
    private: PrivateConfig = PrivateConfig()
    system: str | None = None
    """System message put before every conversation that has none (chat, prefer, reward, reinforce); others have no
    prompt."""
    instruction: str | None = None
    """Text put before every question (chat, prefer, reward, reinforce); others have no prompt."""
    split: SplitConfig = SplitConfig()
    exam: ExamConfig = ExamConfig()
    max_length: Annotated[int, Field(ge=16)] | Literal["auto"] = "auto"
    """Longest text in tokens (two texts that are read as one count together); `auto`: the smaller of 2,048 and
    what the base can read."""
    over_length: Literal["stop", "drop", "shorten"] | None = None
    """What to do with longer rows. `shorten`: chat drops its oldest turns, never system text or the last answer,
    classify keeps head and tail, complete, fill, tag and extract split into windows; prefer, reward and embed have
    nothing that may be cut, and leave the row out. None: the same, but stop if it touches over 2 % of the rows (windows
    lose nothing and do not count)."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One of several parts of the groups, numbered from 1."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class CrossFit:
    """What prepare makes for cross-fitting: one fold, or, once all are made, what is learnt from in the end."""

    fold: Fold | None = None
    """Its groups are examined, and a model learns from the others. None: everything is learnt from."""
    examined: tuple[ExamDir, ...] = ()
    """Without a fold: the exams of all folds, which are sealed once more as one."""


@dataclass(frozen=True, slots=True)
class Target:
    """What rows are prepared for."""

    base: Base
    objective: Objective
    secret: PseudonymKey
    """Key of the pseudonyms: with another one private data becomes other text."""
    home: Path
    """Folder that paths in the settings start from."""
    cross: CrossFit | None = None


def prepare_key(corpus: CorpusDir, *, target: Target, config: PrepareConfig) -> str:
    """Key of the dataset and of the exam that prepare makes from this corpus."""
    settings = recorded_settings(target.objective, config)
    return stage_key("prepare", version=VERSION, settings=settings, inputs=inputs_of(corpus, target, config))


def recorded_settings(objective: Objective, config: PrepareConfig) -> dict[str, object]:
    """The settings as the manifests hold them."""
    # Where the list of names and the key lie is no matter; what the list holds is an input. A proof changes nothing.
    settings = config.model_dump(mode="json", exclude={"private": {"names", "key"}, "clean": {"prove"}})
    return {"objective": objective.name, **settings}


def inputs_of(corpus: CorpusDir, target: Target, config: PrepareConfig) -> dict[str, str]:
    """Digest of everything prepare reads, but for the key of the pseudonyms: see `has_same_codes`."""
    names = config.private.names
    listed = {} if names is None else {"names": sha256_of_file(target.home / names)}
    forgotten = read_forget_list(forget_list_path(config.private, home=target.home)).digest
    listed |= {} if forgotten is None else {"forgotten": forgotten}
    if target.cross is not None:
        fold = target.cross.fold
        listed |= {"fold": "all" if fold is None else f"{fold.number} of {fold.of}"}
        listed |= {f"fold {place}": exam.digest for place, exam in enumerate(target.cross.examined, start=1)}
    return {"corpus": corpus.digest, "base": target.base.digest, **listed}


def has_same_codes(dataset: DatasetDir, secret: PseudonymKey) -> bool:
    """True if the dataset would hold the same pseudonyms under this key: it was made with it, or holds none."""
    return dataset.manifest.facts.get("pseudonyms") in {None, secret.digest}
