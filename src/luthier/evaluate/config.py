"""Settings of the evaluate stage, and the key of what it writes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import AnswersDir, DatasetDir, ExamDir, ModelDir, stage_key
from luthier.config import Settings
from luthier.models.bases import Base

Suite = Literal["arithmetic", "formats", "instructions", "knowledge", "refusals"]
FOLDS = 5
"""Of cross-fitting."""
VERSION = 4
"""Rises when the stage writes something else for the same input."""


TaskName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]


class SuitesConfig(Settings):
    """Public suites that lm-eval asks both models; they are shown and decide nothing."""

    tasks: list[TaskName] = Field(min_length=1)
    """Names of tasks that write their answers, as lm-eval knows them or as a file in `folder` describes them."""
    folder: str | None = None
    """Folder with task files of your own; they can hold code, which runs as yours."""
    limit: int | None = Field(default=None, ge=1)
    """Ask only so many items of each task, the first ones."""
    cluster_by: str | None = None
    """Field of a task's rows that names the document an item is about; none: every item is its own."""
    python: str | None = None
    """Python of an environment that has lm-eval; none: the one that runs Luthier."""


class JudgeConfig(Settings):
    """A model that compares base and tuned answers, once it has proved itself; it is shown and decides nothing.

    Questions and answers of the exam are sent to it.
    """

    address: str = Field(pattern=r"^https?://[^/\s]+(/\S*)?$")
    """An OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1."""
    model: str
    """The name it goes by there."""
    key_variable: str | None = None
    """Environment variable that holds its key; none: it needs no key."""
    items: int = Field(default=200, ge=1)
    """Most exam items that it is asked about, each in both orders."""


class EvaluateConfig(Settings):
    """What counts as better, and as not worse."""

    alpha: float = Field(default=0.025, gt=0, lt=0.5)
    """One-sided error rate of the first look at an exam."""
    minimum_effect: float = Field(default=0.02, ge=0, lt=1)
    """Smallest gain worth shipping (MPE), in the metric's unit (1 = all items)."""
    retention_margin: float = Field(default=0.01, gt=0, lt=1)
    """Largest loss on general text that still counts as retained, as a share of bits per byte."""
    general_texts: int = Field(default=240, ge=6)
    """General texts that are read, at most: fewer take less time and leave a wider interval of what was retained."""
    general_items: int = Field(default=20, ge=0, le=700)
    """Tasks of each suite of general tasks that are asked, about 250 tokens for one of each; 0: none, and no comparison
    token by token either."""
    retention_tasks: tuple[Suite, ...] = Field(default=(), strict=False)
    """Suites of general tasks that must be kept as well as general text. The others are told and not judged."""
    task_margin: float = Field(default=0.03, gt=0, lt=1)
    """Largest loss in such a suite that still counts as retained (1 = all tasks)."""
    memorised: Literal["tell", "block"] = "tell"
    """What becomes of a model that gives away which documents it was trained on: a warning, or no SHIP. It never ships
    if private data was left unmasked."""
    max_answer_tokens: int | Literal["auto"] = "auto"
    """`auto`: the longest gold answer plus 8, at least 16."""
    private: bool = False
    """Keep questions, answers and labels out of report.html: ids and scores alone. answers.parquet has them anyway."""
    sequential: bool = False
    """Ask document by document in random order, and end as soon as the gain is shown (chat): far fewer answers where it
    is large, some power lost where it is small, and after an early end an interval that promises nothing."""
    cross_fit: bool = False
    """With fewer than 60 documents: examine every one of them, by a model trained without it (5 trainings), then train
    on everything (one more). What is shown is then what the procedure does, not this one model."""
    seed: int = Field(default=0, ge=0)
    """Seed of the swap test's random signs, and of the order in which a sequential exam asks."""
    arms: Literal["all", "pair"] = "all"
    """`all`: also few-shot, retrieval and what else makes sense for the objective; questions made from documents are
    asked with their source too, which says whether they can be answered. `pair`: base and tuned only. Each
    adds up to 2,048 tokens to every question: minutes where examples are short, hours where they are long.
    """
    against: Literal["base", "few-shot", "retrieval", "open-book", "BM25"] = "base"
    """The arm that the tuned model must beat to ship. A linear probe is the base of a head that the base lacks."""
    price_per_hour: float | None = Field(default=None, ge=0)
    """What an hour of this machine costs you, in any currency; None: only seconds are told."""
    suites: SuitesConfig | None = None
    """Public suites beside the exam, by lm-eval: tasks, folder, limit, cluster_by, python. Needs `luthier[suites]`."""
    judge: JudgeConfig | None = None
    """A model that judges answers beside the exam: address, model, key_variable, items."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where base and tuned answer like OpenAI's models, and under which names."""

    address: str
    base: str
    tuned: str
    home: Path
    """Where relative paths of the settings start."""


Serve = Callable[[], AbstractContextManager[Served]]


@dataclass(frozen=True, slots=True)
class Models:
    """The two that are compared."""

    base: Base
    tuned: ModelDir
    serve: Serve | None = None
    """Serves both for as long as it is open; None where they do not write."""
    folds: tuple[AnswersDir, ...] = ()
    """Of cross-fitting: what models that learnt without one fold answered to it. Then `tuned` learnt from everything,
    and is asked only what it kept of what its base could do."""


def evaluate_key(exam: ExamDir, *, dataset: DatasetDir, models: Models, config: EvaluateConfig) -> str:
    """Key of the report on these models and this exam."""
    inputs = evaluate_inputs(exam, dataset=dataset, models=models)
    return stage_key("report", version=VERSION, settings=config.model_dump(mode="json"), inputs=inputs)


def answers_key(exam: ExamDir, *, dataset: DatasetDir, models: Models, config: EvaluateConfig) -> str:
    """Key of what is answered to one fold."""
    inputs = evaluate_inputs(exam, dataset=dataset, models=models)
    return stage_key("answers", version=VERSION, settings=answers_settings(config), inputs=inputs)


def answers_settings(config: EvaluateConfig) -> dict[str, Any]:
    """The settings that decide what is asked; what counts as better is settled over all folds."""
    return config.model_dump(mode="json", include={"against", "arms", "max_answer_tokens", "seed"})


def evaluate_inputs(exam: ExamDir, *, dataset: DatasetDir, models: Models) -> dict[str, str]:
    """Digest of everything a report is made from."""
    return {
        "exam": exam.digest,
        "dataset": dataset.digest,
        "base": models.base.digest,
        "model": models.tuned.digest,
        # Not part of the model, and yet the report tells of it.
        "plan": sha256_of(models.tuned.manifest.facts.get("plan")),
        **{f"answers {fold}": answers.digest for fold, answers in enumerate(models.folds, start=1)},
    }
