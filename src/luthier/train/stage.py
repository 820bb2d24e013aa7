"""The train stage: a dataset and a base become a tuned model."""

import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.folders import DatasetDir, Draft, ModelDir, building, find
from luthier.artifacts.lock import run_lock
from luthier.artifacts.rows import read_worded
from luthier.artifacts.storage import explain_disk, make_folder
from luthier.models.bases import Base
from luthier.models.chat import load_wording, save_wording
from luthier.models.machine import keeping_freed_memory, return_freed_memory, use_all_cores
from luthier.models.pooling import save_pooling
from luthier.models.receipts import check_template
from luthier.records import Listener, Worded, nobody_listens
from luthier.train.batches import plan_steps
from luthier.train.checkpoint import CheckpointStore
from luthier.train.config import TrainConfig, train_key
from luthier.train.estimate import available_room, gigabytes
from luthier.train.receipts import DEEP, check_denominators
from luthier.train.rows import first_rows
from luthier.train.scale import Scale, choose_scale
from luthier.train.session import Session
from luthier.train.setup import Job, Setup, remember_base, set_up

VALIDATION_ROWS = 160
"""Rows scored at each validation; more would cost more than they tell."""


def train(
    dataset: DatasetDir, *, base: Base, config: TrainConfig, out: Path, listener: Listener = nobody_listens
) -> ModelDir:
    """Train the base further on a dataset; continues from the last checkpoint if there is one.

    Checkpoints live in `out.parent/training`. Raises StoppedError after SIGINT or SIGTERM (a checkpoint is written
    first), ConflictError if another process works on the run or took it over, DivergedError if the loss stays without a
    number, DiskFullError if the disk is full and stays so.
    """
    with run_lock(out.parent):
        key = train_key(config, dataset_digest=dataset.digest, base_digest=base.digest)
        found = find(out, ModelDir, key=key)
        if isinstance(found, ModelDir):
            return found
        dataset.check()
        wording = load_wording(base.folder)
        check_template(str(dataset.manifest.facts["template_hash"]), wording)
        job = Job(dataset, base, config, wording, out.parent / "training" / key[:12], listener)
        with explain_disk(out):
            make_folder(job.scratch)
        _train(job, key=key, out=out)
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


def _train(job: Job, *, key: str, out: Path) -> None:
    threads = use_all_cores()
    setup = set_up(job)
    session = _session(setup, job, key=key)
    receipts = _check(session, job)
    with keeping_freed_memory():
        session.run()
    scale = _scale(setup, job.dataset)
    inputs = {"dataset": job.dataset.digest, "base": job.base.digest}
    facts = job.dataset.manifest.facts
    with building(out, ModelDir, key=key, settings=job.config.model_dump(), inputs=inputs) as draft:
        _write(draft, session, job, scale=scale)
        (draft.path / "receipts.json").write_bytes(orjson.dumps(receipts, option=orjson.OPT_INDENT_2))
        draft.facts.update(objective=facts["objective"], labels=facts.get("labels"), threads=threads)
        draft.facts["method"] = job.config.method
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
    # Row ids are hashes, so the first ones by id are a sample that does not depend on file order.
    validation = first_rows(job.dataset.file("validation.parquet"), by_id=VALIDATION_ROWS)
    validation = [setup.learner.dress(row, 0) for row in validation]
    remember_base(setup.learner, job, validation=validation)
    return Session(setup=setup, store=store, steps=steps, validation=validation)


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


def _general(setup: Setup, dataset: DatasetDir) -> list[tuple[Worded, float]]:
    """General validation rows with the base's nats; none where retention is not asked for."""
    if setup.learner.replay is None or "general.parquet" not in dataset.manifest.files:
        return []
    rows = read_worded(dataset.file("general.parquet"))
    setup.method.rescale(0.0)
    nats = setup.learner.score(rows)
    setup.method.rescale(1.0)
    return list(zip(rows, nats, strict=True))


def _scale(setup: Setup, dataset: DatasetDir) -> Scale:
    if setup.config.scale != "auto":
        setup.method.rescale(setup.config.scale)
        return Scale(setup.config.scale, "set in the project file", ())
    general = _general(setup, dataset)
    if not general:
        return Scale(1.0, "nothing general to keep for this objective", ())
    rows, before = [row for row, _ in general], [nats for _, nats in general]
    return choose_scale(setup.learner, rows, before, rescale=setup.method.rescale, listener=setup.listener)


def _write(draft: Draft, session: Session, job: Job, *, scale: Scale) -> None:
    setup, history = session.setup, session.history
    setup.method.save(draft.path)
    save_wording(draft.path, job.wording, base=job.base.folder)
    if setup.loaded.pooling is not None:
        width = int(setup.loaded.model.config.hidden_size)
        save_pooling(draft.path, setup.loaded.pooling, width=width, context=job.base.context)
    lines = [orjson.dumps(point) for point in history.curve]
    (draft.path / "curve.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    speed = session.tokens / max(1e-9, time.monotonic() - session.started_at)
    (draft.path / "notes").mkdir()
    (draft.path / "notes" / "speed.json").write_bytes(orjson.dumps({"tokens_per_second": speed}))
    (draft.path / "notes" / "memory.json").write_bytes(orjson.dumps(asdict(setup.memory) | {"peak": setup.memory.peak}))
    draft.counts.update(
        rows=len(setup.learner.rows),
        validation_rows=len(session.validation),
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
        best_validation_loss=history.best_loss,
    )
