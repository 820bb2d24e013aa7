"""Ask one tuned model and its base everything about an exam, and keep what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.artifacts.rows import read_worded
from luthier.evaluate.asking import ask_exam
from luthier.evaluate.canaries import ask_canaries
from luthier.evaluate.config import FOLDS, Models
from luthier.evaluate.further import KNOWN_BY, Further, deciding
from luthier.evaluate.general import ask_tasks
from luthier.evaluate.looks import OpenExam, exam_root
from luthier.evaluate.sets import draw_general, draw_rows, read_apart, read_sets, read_shipped
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.tasks import made
from luthier.evaluate.tasks.sits import SITS
from luthier.records import Item


@dataclass(frozen=True, slots=True)
class Heard:
    """All arms' answers and likelihoods, and what the exam is known to be."""

    items: Sequence[Item]
    """Items that decide, as far as they were asked."""
    sitting: Sitting
    further: Sequence[Further]
    labels: Sequence[str]
    """Labels that the answers number, in their order."""
    likelihood: Mapping[str, Mapping[str, Any]]
    exam: Mapping[str, Any]
    """What `clean_gate` looks at."""
    flagged: Sequence[str]
    """Ids of items that training may ask in other words."""
    order: Sequence[str] = ()
    """Ids of all documents as they were drawn, if the exam was watched."""
    general: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    apart: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    canaries: Mapping[str, Any] = field(default_factory=dict)
    fold: Sequence[int] = ()
    """The fold of every item, from 1, after cross-fitting."""
    folds: Sequence[Mapping[str, Any]] = ()
    """Of every fold: exam root, dataset, model, number of items, and what was settled while asking."""


def hear(opened: OpenExam, room: Room, models: Models) -> Heard:
    """Ask everything that the plan and the objective want."""
    plan = room.plan
    decided = deciding(opened.items, claim=plan["claim"], objective=plan["objective"])
    sit = made.SITS[KNOWN_BY] if plan["claim"] == "KNOWLEDGE" else SITS[plan["objective"]]
    asked = ask_exam(decided, room, sit, alpha=opened.look.alpha)
    further = made.sit_further(opened.items, decided, room)
    skill = deciding(opened.items, claim="SKILL", objective=plan["objective"])
    sets = draw_general(room) | draw_rows(skill, room)
    likelihood = read_sets(sets, room) | read_shipped(models.tuned)
    apart, general, canaries = read_apart(sets, room), ask_tasks(room), ask_canaries(room)
    about = exam_facts(room, models, opened.items)
    flagged = list(room.dataset.manifest.facts["alike"]["reworded"])
    return Heard(
        asked.items,
        asked.sitting,
        further,
        room.labels,
        likelihood,
        about,
        flagged,
        order=asked.order,
        general=general,
        apart=apart,
        canaries=canaries,
    )


def hear_fold(opened: OpenExam, room: Room, models: Models) -> Heard:
    """Ask what only a model that learnt without this fold can be asked; of what is read, the fold's share."""
    plan = room.plan
    decided = deciding(opened.items, claim=plan["claim"], objective=plan["objective"])
    sitting = SITS[plan["objective"]](decided, room)
    further = made.sit_further(opened.items, decided, room)
    likelihood = read_sets(draw_rows(decided, room, parts=FOLDS), room)
    about = exam_facts(room, models, opened.items)
    flagged = list(room.dataset.manifest.facts["alike"]["reworded"])
    return Heard(decided, sitting, further, room.labels, likelihood, about, flagged)


def exam_facts(room: Room, models: Models, items: Sequence[Item]) -> dict[str, Any]:
    """What the clean gate looks at, and the groups that there are; rows of an exam group in TRAIN or VAL are counted
    here once more.
    """
    exam, dataset = room.exam, room.dataset
    documents = {item.document for item in items if item.claim == "SKILL"}
    groups = [row.group for name in ("train.parquet", "validation.parquet") for row in read_worded(dataset.file(name))]
    left = int(json.loads(exam.file("leaks.json").read_bytes())["left"])
    inside = sum(group in documents for group in groups)
    return {
        "root": exam_root(exam),
        "leaks": {"left by prepare": left, "rows of exam groups": inside},
        "copied": dataset.manifest.facts["alike"]["copied"],
        "dataset": dataset.digest,
        "trained_on": models.tuned.manifest.inputs.get("dataset", ""),
        # Exam and dataset of one split carry one key.
        "sealed_with": exam.manifest.key == dataset.manifest.key,
        "groups": dataset.manifest.counts.get("groups"),
    }
