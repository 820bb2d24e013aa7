"""The stage: a sealed exam, a base and a tuned model -> evidence."""

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.folders import DatasetDir, ExamDir, ReportDir, building, find
from luthier.errors import UserError
from luthier.evaluate.config import EvaluateConfig, Models, evaluate_inputs, evaluate_key
from luthier.evaluate.folds import join_folds
from luthier.evaluate.heard import Heard, hear
from luthier.evaluate.judge import calibrate, compare_answers, may_judge
from luthier.evaluate.looks import close_look, open_exam
from luthier.evaluate.plan import check_same_exam, draft_plan, plan_changes
from luthier.evaluate.report.evidence import Observed, Setting, assemble
from luthier.evaluate.report.folder import write_report
from luthier.evaluate.report.learnt import read_learnt
from luthier.evaluate.sitting import Room
from luthier.evaluate.suites import ask_suites
from luthier.models.engines.hf import BATCH_TOKENS, load_engine
from luthier.models.engines.slots import ROWS
from luthier.objectives import objective
from luthier.records import Listener, nobody_listens

SPENT = "cross-fitting: the model that ships learnt from all of these documents, so the exam is spent"
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
    key = evaluate_key(exam, dataset=dataset, models=models, config=config)
    found = find(out, ReportDir, key=key)
    if isinstance(found, ReportDir):
        return found
    check_same_exam(exam, dataset)
    _check_spent(exam, models)
    plan = draft_plan(exam, dataset=dataset, config=config)
    advisory = _ask_others(dataset, models=models, config=config, listener=listener)
    opened = open_exam(exam, model=models.tuned.digest, plan=plan, why=SPENT if models.folds else "evaluate")
    started = time.perf_counter()
    engine = load_engine(models.base, tuned=models.tuned)
    room = Room(exam, dataset, engine, config, listener, plan)
    heard = join_folds(opened, room, models) if models.folds else hear(opened, room, models)
    seconds = time.perf_counter() - started + (room.meter.seconds if models.folds else 0.0)
    setting = Setting(
        plan=plan,
        frozen_plan=plan_changes(models, plan),
        models=_described(models, plan),
        exam=heard.exam,
        look=opened.look,
        environment={**_environment(), **heard.sitting.rules},
        order=heard.order,
        folds=heard.folds,
    )
    if config.judge is not None and may_judge(advisory["judge"]["planted"]):
        answers = {"base": heard.sitting.base.texts, "tuned": heard.sitting.tuned.texts}
        advisory["judge"] |= compare_answers(config.judge, heard.items, **answers, listener=listener)
    observed = _observed(heard, advisory)
    record = assemble(setting, observed)
    close_look(exam, opened.look, result=record["sha256"])
    settings = config.model_dump(mode="json")
    with building(out, ReportDir, key=key, settings=settings, inputs=inputs) as draft:
        learnt = read_learnt(models.tuned)
        write_report(draft.path, record, observed, learnt=learnt, texts=not config.private)
        draft.counts |= {"items": len(heard.items), "documents": len({item.document for item in heard.items})}
        draft.facts |= {"verdict": record["verdict"]["verdict"], "evidence_sha256": record["sha256"]}
        _write_cost(draft.path, room, items=len(heard.items), seconds=seconds)
    return ReportDir.open(out)


def _observed(heard: Heard, advisory: dict[str, Any]) -> Observed:
    return Observed(
        items=heard.items,
        base=heard.sitting.base,
        tuned=heard.sitting.tuned,
        labels=heard.labels,
        likelihood=heard.likelihood,
        rivals=heard.sitting.rivals,
        general=heard.general,
        apart=heard.apart,
        canaries=heard.canaries,
        flagged=heard.flagged,
        advisory=advisory,
        further=heard.further,
        fold=heard.fold,
    )


def _check_spent(exam: ExamDir, models: Models) -> None:
    """UserError if the model learnt from an exam of several folds and is to sit it all the same."""
    folds = len(exam.seal["folds"])
    if folds != len(models.folds):
        raise UserError(
            f"{exam.path}: is the exam of {folds} folds, all of which the model that ships has learnt from: it is "
            "spent, and only the folds' own answers can be judged by it. Set evaluate.cross_fit: true, or evaluate on "
            "fresh documents."
        )


def _ask_others(
    dataset: DatasetDir, *, models: Models, config: EvaluateConfig, listener: Listener
) -> dict[str, dict[str, Any]]:
    """What public suites say, and whether the judge is fit: settled before a look at the exam is spent."""
    found = {}
    if config.suites is not None:
        found["suites"] = ask_suites(config.suites, serve=models.serve, listener=listener)
    if config.judge is not None:
        if not objective(str(dataset.manifest.facts["objective"])).is_asked:
            raise UserError(
                "evaluate.judge compares answers in words, and this objective has none. Take the section out"
            )
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
