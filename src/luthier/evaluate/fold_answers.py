"""What base and a model that never saw a fold answer to its exam: an artifact, so that no fold is asked twice."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.folders import AnswersDir, DatasetDir, Draft, ExamDir, building, find
from luthier.artifacts.manifest import NOTES
from luthier.evaluate.arms import Arm
from luthier.evaluate.config import EvaluateConfig, Models, answers_key, answers_settings, evaluate_inputs
from luthier.evaluate.cost import Meter
from luthier.evaluate.further import Further
from luthier.evaluate.heard import Heard, hear_fold
from luthier.evaluate.looks import open_exam
from luthier.evaluate.plan import check_same_exam, draft_plan
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.engines.hf import load_engine
from luthier.records import Item, Listener, nobody_listens

FILE = "answers.json"
METER = f"{NOTES}/meter.json"


def answer_fold(
    exam: ExamDir,
    *,
    dataset: DatasetDir,
    models: Models,
    config: EvaluateConfig,
    out: Path,
    listener: Listener = nobody_listens,
) -> AnswersDir:
    """Let base and a model that never saw this fold answer its exam; the look is written into the fold's ledger first.

    Nothing is judged here. Raises UserError as `evaluate` does.
    """
    key = answers_key(exam, dataset=dataset, models=models, config=config)
    found = find(out, AnswersDir, key=key)
    if isinstance(found, AnswersDir):
        return found
    check_same_exam(exam, dataset)
    plan = draft_plan(exam, dataset=dataset, config=config)
    opened = open_exam(exam, model=models.tuned.digest, plan=plan, why="cross-fitting: one fold")
    room = Room(exam, dataset, load_engine(models.base, tuned=models.tuned), config, listener, plan)
    heard = hear_fold(opened, room, models)
    inputs = evaluate_inputs(exam, dataset=dataset, models=models)
    with building(out, AnswersDir, key=key, settings=answers_settings(config), inputs=inputs) as draft:
        _write(draft, heard, room.meter)
    return AnswersDir.open(out)


def _write(draft: Draft, heard: Heard, meter: Meter) -> None:
    sitting = heard.sitting
    content = {
        "items": [item.id for item in heard.items],
        "arms": {"base": asdict(sitting.base), "tuned": asdict(sitting.tuned)},
        "rivals": {name: asdict(arm) for name, arm in sitting.rivals.items()},
        "rules": sitting.rules,
        "further": [
            {
                "claim": one.claim,
                "task": one.task,
                "items": [item.id for item in one.items],
                "base": asdict(one.base),
                "tuned": asdict(one.tuned),
                "rivals": {name: asdict(arm) for name, arm in one.rivals.items()},
            }
            for one in heard.further
        ],
        "labels": list(heard.labels),
        "likelihood": heard.likelihood,
        "exam": heard.exam,
        "flagged": list(heard.flagged),
    }
    (draft.path / FILE).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    (draft.path / NOTES).mkdir()
    (draft.path / METER).write_bytes(orjson.dumps(asdict(meter)))
    draft.counts |= {"items": len(heard.items), "documents": len({item.document for item in heard.items})}


def read_answers(answers: AnswersDir, items: Mapping[str, Item], meter: Meter) -> Heard:
    """A fold's answers to these items (by id), its time and memory added to the meter."""
    told = orjson.loads(answers.file(FILE).read_bytes())
    if (answers.path / METER).is_file():
        meter.add(Meter(**orjson.loads((answers.path / METER).read_bytes())))
    rivals = {name: _arm(arm) for name, arm in told["rivals"].items()}
    return Heard(
        items=[items[name] for name in told["items"]],
        sitting=Sitting(_arm(told["arms"]["base"]), _arm(told["arms"]["tuned"]), told["rules"], rivals),
        further=[
            Further(
                one["claim"],
                one["task"],
                [items[name] for name in one["items"]],
                _arm(one["base"]),
                _arm(one["tuned"]),
                {name: _arm(arm) for name, arm in one["rivals"].items()},
            )
            for one in told["further"]
        ],
        labels=told["labels"],
        likelihood=told["likelihood"],
        exam=told["exam"],
        flagged=told["flagged"],
    )


def _arm(told: Mapping[str, Any]) -> Arm:
    """An arm whose columns were written as lists."""
    return Arm(**{field.name: _column(told[field.name]) for field in fields(Arm)})


def _column(told: Any) -> Any:
    """Lists as tuples, and lists in them too; scores stay as they are."""
    if not isinstance(told, list):
        return told
    return tuple(tuple(one) if isinstance(one, list) else one for one in told)
