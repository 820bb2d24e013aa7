"""The train stage: a dataset and a base become a tuned model."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.canonical import canonical_json, sha256_of
from luthier.artifacts.folders import PLAN, DatasetDir, Draft, ModelDir, building, find
from luthier.artifacts.lock import run_lock
from luthier.artifacts.rows import SHIPPED, SHIPPED_SCHEMA, read_worded
from luthier.artifacts.storage import explain_disk, make_folder, write_atomic
from luthier.artifacts.tables import write_table
from luthier.models.bases import Base
from luthier.models.chat import load_wording, save_wording
from luthier.models.machine import keeping_freed_memory, return_freed_memory, use_all_cores
from luthier.models.pooling import save_pooling
from luthier.models.receipts import check_template
from luthier.objectives import objective
from luthier.records import Listener, Tick, nobody_listens
from luthier.train.batches import plan_steps
from luthier.train.checkpoint import CheckpointStore
from luthier.train.config import TrainConfig, train_key
from luthier.train.diagnosis import Circumstances, diagnose, guessing, in_words
from luthier.train.estimate import available_room, gigabytes
from luthier.train.journal import CURVE, Journal, curve_bytes
from luthier.train.receipts import DEEP, check_denominators
from luthier.train.repeat import repeat
from luthier.train.scale import General, Scale, choose_scale
from luthier.train.search import search_rate
from luthier.train.session import Session
from luthier.train.setup import Job, Setup, remember_base, set_up
from luthier.train.shipped import against_best, is_best
from luthier.train.tracking import Run, find_trackers

GUESSED = 1000
"""Training rows whose answers are counted, to know what guessing costs."""


def train(
    dataset: DatasetDir,
    *,
    base: Base,
    config: TrainConfig,
    out: Path,
    plan: Mapping[str, Any] | None = None,
    listener: Listener = nobody_listens,
) -> ModelDir:
    """Train the base further on a dataset; continues from the last checkpoint if there is one.

    Checkpoints live in `out.parent/training`, and beside them the plan of the evaluation (plain JSON), which the
    manifest names: nothing is learnt from it, and a training that continues keeps the one it began under.
    Raises StoppedError after SIGINT or SIGTERM (a checkpoint is written first), ConflictError if another process works
    on the run or took it over, DivergedError if the loss stays without a number, DiskFullError if the disk is full and
    stays so.
    """
    with run_lock(out.parent):
        key = train_key(config, dataset_digest=dataset.digest, base_digest=base.digest)
        found = find(out, ModelDir, key=key)
        if isinstance(found, ModelDir):
            return found
        dataset.check()
        wording = load_wording(base.folder)
        check_template(str(dataset.manifest.facts["template_hash"]), wording)
        scratch = out.parent / "training" / key[:12]
        with explain_disk(out):
            make_folder(scratch)
            job = Job(dataset, base, config, wording, scratch, listener, plan=_frozen(plan, scratch))
        if config.seeds > 1:
            repeat(job, key=key, out=out, train_once=_train)
        else:
            _train(job, key, out)
    return_freed_memory()
    return ModelDir.open(out)


def foresee(dataset: DatasetDir, *, base: Base, config: TrainConfig) -> str:
    """How much memory this training will need at its worst moment, in words; nothing is trained or left behind."""
    use_all_cores()
    with tempfile.TemporaryDirectory() as scratch:
        setup = set_up(Job(dataset, base, config, load_wording(base.folder), Path(scratch), nobody_listens))
    choices, room = setup.choices, available_room()
    told = f"needs about {setup.memory.words()}" + ("" if room is None else f", of {gigabytes(room)} that are there")
    recompute = "on" if choices.checkpoint_activations.value else "off"
    return f"{told}; micro-batches of {choices.micro_batch_tokens.value} tokens, checkpointing {recompute}"


def _frozen(plan: Mapping[str, Any] | None, scratch: Path) -> Mapping[str, Any] | None:
    """The plan that this training began under, which is this one if it begins now."""
    file = scratch / PLAN
    if not file.is_file():
        write_atomic(file, canonical_json(None if plan is None else dict(plan)))
    kept: Mapping[str, Any] | None = orjson.loads(file.read_bytes())
    return kept


def _train(job: Job, key: str, out: Path) -> None:
    threads, trackers = use_all_cores(), find_trackers(job.config.track)
    setup = set_up(job)
    session = _session(setup, job, key=key)
    receipts = _check(session, job)
    with keeping_freed_memory():
        if job.config.learning_rate == "search":
            _search(session, folder=job.scratch)
        run = _described(session, job, key=key)
        session.run(Journal(job.scratch / CURVE, trackers=trackers, run=run, listener=job.listener))
    scale = _scale(session, job.dataset)
    facts = job.dataset.manifest.facts
    ships_best = is_best(session, scale)
    has_answers = objective(str(facts["objective"])).record in {"chat", "label"}
    against = against_best(session, scale, has_answers=has_answers) if ships_best is False else []
    inputs = {"dataset": job.dataset.digest, "base": job.base.digest}
    with building(out, ModelDir, key=key, settings=job.config.model_dump(), inputs=inputs) as draft:
        _write(draft, session, job, scale=scale)
        if against:
            write_table(draft.path / SHIPPED, against, schema=SHIPPED_SCHEMA)
        (draft.path / "receipts.json").write_bytes(orjson.dumps(receipts, option=orjson.OPT_INDENT_2))
        draft.facts.update(objective=facts["objective"], labels=facts.get("labels"), threads=threads)
        draft.facts |= {"plan": job.plan, "ships_best": ships_best}
        draft.facts.update(method=job.config.method, several_labels=bool(facts.get("several_labels")))
        draft.facts["tuning"] = setup.choices.tuning(frozen_layers=job.config.freeze_layers)
        draft.facts.update(base=job.base.name, base_digest=job.base.digest, template_hash=job.wording.template_hash)


def _session(setup: Setup, job: Job, *, key: str) -> Session:
    choices = setup.choices
    bundles = setup.sharing.bundles if setup.sharing is not None else None
    steps = plan_steps(
        bundles.sizes if bundles is not None else setup.learner.lengths,
        epochs=choices.epochs.value,
        batch_tokens=choices.batch_tokens.value,
        seed=setup.config.seed,
        members=bundles.members if bundles is not None else None,
    )
    store = CheckpointStore(
        job.scratch / "checkpoints", key=key, keep=setup.config.keep_checkpoints, listener=setup.listener
    )
    validation = setup.held_out.sample(steps, tokens=round(steps.epochs[-1] * setup.learner.lengths.sum()))
    dressed = replace(validation, rows=[setup.learner.dress(row, 0) for row in validation.rows])
    remember_base(setup.learner, job, validation=dressed.rows)
    return Session(setup=setup, store=store, steps=steps, validation=dressed)


def _described(session: Session, job: Job, *, key: str) -> Run:
    """What trackers are told: settings, none of which is secret or names a place on this machine."""
    about = {"base": Path(job.base.name).name, "objective": str(job.dataset.manifest.facts["objective"])}
    settings = {name: choice["value"] for name, choice in session.setup.choices.as_rows().items()}
    planned = {} if job.plan is None else {"plan": sha256_of(dict(job.plan))[:12]}
    name = f"{about['objective']} {key[:6]}"
    return Run(key[:12], name, job.scratch, {**about, **settings, **planned, "seed": job.config.seed})


def _search(session: Session, *, folder: Path) -> None:
    """Settle the learning rate by trial."""
    setup = session.setup
    rate = search_rate(setup.learner, session.steps, session.validation, folder=folder, listener=setup.listener)
    setup.learner.pace = replace(setup.learner.pace, learning_rate=rate.value)
    session.setup = replace(setup, choices=replace(setup.choices, learning_rate=rate))


def _check(session: Session, job: Job) -> dict[str, dict[str, Any]]:
    """Receipts before the first step: what each of them counted or measured."""
    learner, receipts = session.setup.learner, dict(session.setup.receipts)
    if "forward" in session.setup.reasons:
        receipts["R7"] = {"found": session.setup.reasons["forward"]}
    receipts["R9"] = {"template_hash": job.wording.template_hash}
    tokens, units = learner.pace.micro_batch_tokens, learner.loss.units
    # Trees are cut by what the rows hold, and to read all of them would take long.
    steps = session.steps if session.setup.sharing is None else session.steps[:DEEP]
    receipts["R10"] = check_denominators(steps, learner.rows, tokens=tokens, units=units, cut=learner.cut)
    return receipts


def _general(setup: Setup, dataset: DatasetDir) -> General:
    """General validation rows with the base's nats; none where retention is not asked for."""
    if setup.learner.replay is None or "general.parquet" not in dataset.manifest.files:
        return General()
    rows = read_worded(dataset.file("general.parquet"))
    setup.method.rescale(0.0)
    before = setup.learner.score(rows)
    setup.method.rescale(1.0)
    return General(rows, before)


def _scale(session: Session, dataset: DatasetDir) -> Scale:
    setup = session.setup
    rescale = setup.method.rescale
    if setup.config.scale != "auto":
        rescale(setup.config.scale)
        return Scale(setup.config.scale, "set in the project file", ())
    general = _general(setup, dataset)
    return choose_scale(
        setup.learner, validation=session.validation, general=general, rescale=rescale, listener=setup.listener
    )


def _findings(session: Session, dataset: DatasetDir) -> list[dict[str, Any]]:
    """What the curve shows, also told in words."""
    learner, history, held_out = session.setup.learner, session.history, session.validation.rows
    learnt = learner.rows[:: max(1, len(learner.rows) // GUESSED)]
    noise = _noise(dataset)
    about = Circumstances(
        rows=len(learner.rows),
        stopped_early=history.stopped_early,
        went_back_at=history.went_back_at,
        guess=guessing(learnt, held_out, units=learner.loss.units(held_out)) if held_out else None,
        suspects=noise.get("suspects", 0),
        examined=noise.get("examined", 0),
        copied=session.setup.held_out.copies,
    )
    findings = diagnose(history.curve, about)
    session.setup.listener(Tick("train", 0, 0, in_words(findings)))
    return [asdict(finding) for finding in findings]


def _noise(dataset: DatasetDir) -> dict[str, int]:
    """How many labels prepare looked at, and how many of them it doubts."""
    if "sheet.json" not in dataset.manifest.files:
        return {}
    sheet = orjson.loads(dataset.file("sheet.json").read_bytes())
    return sheet.get("look_at", {}).get("labels") or {}


def _write(draft: Draft, session: Session, job: Job, *, scale: Scale) -> None:
    setup, history = session.setup, session.history
    setup.method.save(draft.path)
    save_wording(draft.path, job.wording, base=job.base.folder)
    if setup.loaded.pooling is not None:
        width = int(setup.loaded.model.config.hidden_size)
        save_pooling(draft.path, setup.loaded.pooling, width=width, context=job.base.context)
    (draft.path / CURVE).write_bytes(curve_bytes(history.curve))
    speed = session.tokens / max(1e-9, time.monotonic() - session.started_at)
    (draft.path / "notes").mkdir()
    (draft.path / "notes" / "speed.json").write_bytes(orjson.dumps({"tokens_per_second": speed}))
    (draft.path / "notes" / "memory.json").write_bytes(orjson.dumps(asdict(setup.memory) | {"peak": setup.memory.peak}))
    draft.counts.update(
        rows=len(setup.learner.rows),
        validation_rows=len(session.validation.rows),
        validation_rows_copied=setup.held_out.copies,
        steps=history.step,
        planned_steps=len(session.steps),
        skipped_steps=history.skipped,
        best_step=history.best_step,
    )
    draft.facts.update(
        choices=setup.choices.as_rows(),
        reasons=setup.reasons,
        scale={"factor": scale.factor, "reason": scale.reason, "tried": list(scale.tried)},
        story=history.in_words(),
        events=history.events(),
        diagnosis=_findings(session, job.dataset),
        best_validation_loss=scale.validation_loss if scale.validation_loss is not None else history.best_loss,
    )
