"""The stage: a sealed exam, a base and a tuned model -> evidence."""

import json
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.folders import DatasetDir, ExamDir, ReportDir, building, find
from luthier.artifacts.rows import read_worded
from luthier.errors import UserError
from luthier.evaluate.asking import ask_exam
from luthier.evaluate.canaries import ask_canaries
from luthier.evaluate.config import EvaluateConfig, Models, evaluate_inputs, evaluate_key
from luthier.evaluate.further import KNOWN_BY, deciding
from luthier.evaluate.general import ask_tasks
from luthier.evaluate.judge import calibrate, compare_answers, may_judge
from luthier.evaluate.looks import close_look, exam_root, open_exam
from luthier.evaluate.plan import draft_plan, plan_changes
from luthier.evaluate.report.evidence import Observed, Setting, assemble
from luthier.evaluate.report.folder import write_report
from luthier.evaluate.report.learnt import read_learnt
from luthier.evaluate.sets import draw_sets, read_apart, read_sets, read_shipped
from luthier.evaluate.sitting import Room
from luthier.evaluate.suites import ask_suites
from luthier.evaluate.tasks import made
from luthier.evaluate.tasks.sits import SITS
from luthier.models.engines.hf import BATCH_TOKENS, load_engine
from luthier.models.engines.slots import ROWS
from luthier.records import Item, Listener, nobody_listens

LIBRARIES = ("numpy", "scipy", "scikit-learn", "tokenizers", "torch", "transformers")


def evaluate(
    exam: ExamDir,
    *,
    dataset: DatasetDir,
    models: Models,
    config: EvaluateConfig,
    out: Path,
    listener: Listener = nobody_listens,
) -> ReportDir:
    """Let base and tuned sit the exam and write the report; one look at the exam is spent.

    Raises UserError if exam and dataset do not belong together or the exam was changed after sealing.
    """
    inputs = evaluate_inputs(exam, dataset=dataset, models=models)
    key = evaluate_key(exam, dataset=dataset, base=models.base, tuned=models.tuned, config=config)
    found = find(out, ReportDir, key=key)
    if isinstance(found, ReportDir):
        return found
    _check_same_exam(exam, dataset)
    plan = draft_plan(exam, dataset=dataset, config=config)
    advisory = _ask_others(dataset, models=models, config=config, listener=listener)
    opened = open_exam(exam, model=models.tuned.digest, plan=plan, why="evaluate")
    started = time.perf_counter()
    engine = load_engine(models.base, tuned=models.tuned)
    room = Room(exam, dataset, engine, config, listener, plan)
    decided = deciding(opened.items, claim=plan["claim"], objective=plan["objective"])
    sit = made.SITS[KNOWN_BY] if plan["claim"] == "KNOWLEDGE" else SITS[plan["objective"]]
    asked = ask_exam(decided, room, sit, alpha=opened.look.alpha)
    items, sitting = asked.items, asked.sitting
    further = made.sit_further(opened.items, decided, room)
    sets = draw_sets(deciding(opened.items, claim="SKILL", objective=plan["objective"]), room)
    likelihood = read_sets(sets, room) | read_shipped(models.tuned)
    apart, general, canaries = read_apart(sets, room), ask_tasks(room), ask_canaries(room)
    seconds = time.perf_counter() - started
    setting = Setting(
        plan=plan,
        frozen_plan=plan_changes(models, plan),
        models=_described(models, plan),
        exam=_exam_facts(exam, dataset, models, opened.items),
        look=opened.look,
        environment={**_environment(), **sitting.rules},
        order=asked.order,
    )
    if config.judge is not None and may_judge(advisory["judge"]["planted"]):
        answers = {"base": sitting.base.texts, "tuned": sitting.tuned.texts}
        advisory["judge"] |= compare_answers(config.judge, items, **answers, listener=listener)
    arms = (items, sitting.base, sitting.tuned)
    told = {"flagged": dataset.manifest.facts["alike"]["reworded"], "advisory": advisory, "further": further}
    told |= {"general": general, "apart": apart, "canaries": canaries}
    observed = Observed(*arms, room.labels, likelihood, sitting.rivals, **told)
    record = assemble(setting, observed)
    close_look(exam, opened.look, result=record["sha256"])
    settings = config.model_dump(mode="json")
    with building(out, ReportDir, key=key, settings=settings, inputs=inputs) as draft:
        learnt = read_learnt(models.tuned)
        write_report(draft.path, record, observed, learnt=learnt, texts=not config.private)
        draft.counts |= {"items": len(items), "documents": len({item.document for item in items})}
        draft.facts |= {"verdict": record["verdict"]["verdict"], "evidence_sha256": record["sha256"]}
        _write_cost(draft.path, room, items=len(items), seconds=seconds)
    return ReportDir.open(out)


def _check_same_exam(exam: ExamDir, dataset: DatasetDir) -> None:
    root, expected = exam_root(exam), dataset.manifest.facts.get("exam_root")
    if root != expected:
        raise UserError(
            f"{dataset.path}: was made beside another exam (root {str(expected)[:12]}) than {exam.path} "
            f"(root {root[:12]}). Run prepare again, or name the exam that belongs to it."
        )


def _ask_others(
    dataset: DatasetDir, *, models: Models, config: EvaluateConfig, listener: Listener
) -> dict[str, dict[str, Any]]:
    """What public suites say, and whether the judge is fit: settled before a look at the exam is spent."""
    found = {}
    if config.suites is not None:
        found["suites"] = ask_suites(config.suites, serve=models.serve, listener=listener)
    if config.judge is not None:
        if dataset.manifest.facts["objective"] != "chat":
            raise UserError("evaluate.judge compares answers in words. Take the section out, or use objective: chat")
        found["judge"] = calibrate(config.judge, seed=config.seed, listener=listener)
    return found


def _described(models: Models, plan: dict[str, Any]) -> dict[str, Any]:
    # A folder's path would tell where the machine keeps its files.
    name = models.base.name if models.base.name.startswith("hf:") else Path(models.base.name).name
    base = {"name": name, "digest": models.base.digest, "arm": plan["against"]}
    facts = models.tuned.manifest.facts
    # Whether it is its best checkpoint, if training says so, and how much of what was learnt it holds.
    ships = {"best": facts.get("ships_best"), "scale": facts.get("scale", {}).get("factor", 1.0)}
    return {"base": base, "tuned": {"digest": models.tuned.digest, "ships": ships}}


def _exam_facts(exam: ExamDir, dataset: DatasetDir, models: Models, items: Sequence[Item]) -> dict[str, Any]:
    """What the clean gate looks at; rows of an exam group in TRAIN or VAL are counted here once more."""
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
    }


def _environment() -> dict[str, Any]:
    import torch

    return {
        "versions": {name: version(name) for name in ("luthier", *LIBRARIES)},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "dtype": "float32",
    }


def _write_cost(folder: Path, room: Room, *, items: int, seconds: float) -> None:
    """notes/cost.json: `Meter.notes`, `seconds` of everything that was asked, and how it was computed."""
    notes = folder / "notes"
    notes.mkdir(exist_ok=True)
    told = room.meter.notes(items=items, price_per_hour=room.config.price_per_hour)
    environment = _environment()
    cost = {
        **told,
        "seconds": round(seconds, 3),
        "device": environment["device"],
        "threads": environment["threads"],
        "answers_at_once": ROWS,
        "tokens_at_once": BATCH_TOKENS,
    }
    (notes / "cost.json").write_bytes(orjson.dumps(cost, option=orjson.OPT_INDENT_2))
