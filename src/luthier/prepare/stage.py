"""From a corpus to a dataset and a sealed exam."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from luthier import __version__
from luthier.artifacts.folders import SEAL, CorpusDir, DatasetDir, Draft, ExamDir, building
from luthier.artifacts.rows import (
    CANARIES,
    CANARY_SCHEMA,
    EXAMPLES,
    PASSAGES,
    TASK_SCHEMA,
    TASKS,
    read_items,
    write_items,
    write_passages,
    write_worded,
)
from luthier.artifacts.shards import AIM
from luthier.artifacts.tables import write_table
from luthier.compute.memory import memory
from luthier.compute.shards import HERE, Executor
from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.models.chat import LONGEST_ROW, load_wording
from luthier.objectives import Objective
from luthier.prepare.canaries import check_canaries
from luthier.prepare.candidate import DROPPED_SCHEMA, SPLIT_SCHEMA, Books
from luthier.prepare.config import PrepareConfig, Target, has_same_codes, inputs_of, prepare_key, recorded_settings
from luthier.prepare.divide import Divided, Means, divide
from luthier.prepare.exam.audit import AUDIT, write_audit
from luthier.prepare.facts import FACTS, write_facts
from luthier.prepare.findings import find, without_conflicts
from luthier.prepare.gather import Wanted, gather
from luthier.prepare.leaks import LEAKS, leak_report, likeness
from luthier.prepare.likelihood import check_wanted, read_by_base
from luthier.prepare.pieces import Workplace, check_memory
from luthier.prepare.prepared import Prepared, find_prepared
from luthier.prepare.private.mask import Rules, shown_texts
from luthier.prepare.reading import Frame
from luthier.prepare.sheet.numbers import Account, sheet
from luthier.prepare.sheet.page import render_sheet
from luthier.prepare.split.groups import QUESTION
from luthier.prepare.treat import Recipe
from luthier.records import Listener, nobody_listens

SHARDS = "shards"


def prepare(
    corpus: CorpusDir,
    *,
    target: Target,
    config: PrepareConfig,
    out: Path,
    executor: Executor = HERE,
    listener: Listener = nobody_listens,
) -> Prepared:
    """Make `out/dataset` and `out/exam`, or return them if they are there with the same key.

    Finished shards of a large corpus wait in `out/shards` until both are made: a killed run goes on from there, with
    whatever executor. The exam is sealed and written first. Raises UserError for a corpus that cannot be learnt from
    (empty, one class, duplicates only, too few rows), an answer longer than the base can read, and any receipt that
    fails.
    """
    base, objective = target.base, target.objective
    key = prepare_key(corpus, target=target, config=config)
    found = find_prepared(out, key=key)
    if found is not None and has_same_codes(found.dataset, target.secret):
        return found
    _check_base(base, objective)
    check_canaries(config.exam.canaries, objective)
    check_wanted(config.clean, objective)
    machine = memory()
    check_memory(corpus, free=None if machine is None else machine.available)
    books = Books()
    means = Means(
        objective=objective,
        split=config.split,
        exam=config.exam,
        wording=load_wording(base.folder),
        frame=_frame(config, base, objective),
        cross=target.cross,
    )
    recipe = Recipe(objective, config.clean.thresholds(), config.private, target.secret, target.home)
    rules = recipe.rules()
    place = Workplace(out / SHARDS, executor, aim=AIM)
    split = config.split
    by = split.group_by or (QUESTION if split.given else None)
    wanted = Wanted(recipe, rules, by, tuple(split.held_out), split.given)
    gathered = gather(corpus, wanted, place=place, books=books, listener=listener)
    findings = find(gathered, config.clean, listener=listener)
    divided = divide(without_conflicts(gathered, findings), means, books=books, listener=listener)
    settings, inputs = recorded_settings(objective, config), inputs_of(corpus, target, config)
    with building(out / ExamDir.kind, ExamDir, key=key, settings=settings, inputs=inputs) as draft:
        _write_exam(draft, divided, folds=target.cross.examined if target.cross is not None else ())
    dropped = _masked(books.rows, rules)
    about = {"objective": objective.name, "base": base.name, "base_digest": base.digest, "version": __version__}
    likelihoods = read_by_base(divided.train, base, config.clean, listener=listener)
    account = Account(corpus, gathered, findings, divided, dropped, means.wording, rules, likelihoods, about)
    with building(out / DatasetDir.kind, DatasetDir, key=key, settings=settings, inputs=inputs) as draft:
        _write_dataset(draft, divided, dropped=dropped)
        numbers = sheet(account)
        _write_json(draft.path / "sheet.json", numbers)
        (draft.path / "sheet.html").write_bytes(render_sheet(numbers))
        draft.facts |= _facts(means, base=base, divided=divided)
        draft.facts["pseudonyms"] = target.secret.digest if gathered.refined.spotted else None
    shutil.rmtree(out / SHARDS, ignore_errors=True)
    return Prepared(dataset=DatasetDir.open(out / DatasetDir.kind), exam=ExamDir.open(out / ExamDir.kind))


def _check_base(base: Base, objective: Objective) -> None:
    if objective.needs_decoder and base.architecture != "decoder":
        raise UserError(
            f"objective '{objective.name}' needs a decoder, and base '{base.name}' is an encoder. "
            "Use objective: classify, or base: smollm2-135m."
        )
    if objective.head == "masked" and base.architecture != "encoder":
        raise UserError(
            f"objective '{objective.name}' needs an encoder, and base '{base.name}' is a decoder. "
            "Use objective: complete, or base: minilm-l6."
        )


def _frame(config: PrepareConfig, base: Base, objective: Objective) -> Frame:
    limit = min(LONGEST_ROW, base.context) if config.max_length == "auto" else config.max_length
    if limit > base.context:
        raise UserError(
            f"prepare.max_length is {limit:,}, but base '{base.name}' reads at most {base.context:,} tokens. "
            "Lower it, or leave it 'auto'."
        )
    return Frame(
        system=config.system if objective.talks else None,
        instruction=config.instruction if objective.talks else None,
        limit=limit,
        over_length=config.over_length,
        is_masked=objective.head == "masked",
    )


def _write_exam(draft: Draft, divided: Divided, *, folds: Sequence[ExamDir]) -> None:
    write_items(draft.path / "items.parquet", divided.all_items)
    write_worded(draft.path / "general.parquet", divided.general.exam)
    if divided.general.tasks:
        rows = [asdict(task) for task in divided.general.tasks]
        write_table(draft.path / TASKS, rows, schema=TASK_SCHEMA)
    (draft.path / LEAKS).write_bytes(leak_report(divided.leaks, prompts=divided.prompts))
    made = divided.made
    if made.sources:
        write_passages(draft.path / PASSAGES, made.sources)
    if made.examples:
        write_items(draft.path / EXAMPLES, made.examples)
    sealed = {"root": divided.root, "leaves": len(divided.leaves)}
    _write_json(draft.path / SEAL, sealed | ({"folds": [_sealed(exam) for exam in folds]} if folds else {}))
    if divided.planted.canaries:
        write_table(draft.path / CANARIES, map(asdict, divided.planted.canaries), schema=CANARY_SCHEMA)
    write_audit(draft.path / AUDIT, made.items)
    write_facts(draft.path / FACTS, made.items)
    held_out = divided.items or divided.examined
    groups = len({item.document for item in held_out})
    draft.counts |= {"items": len(held_out), "groups": groups, "general": len(divided.general.exam)}
    draft.counts |= {"made": made.counts} if made.counts else {}
    draft.counts |= {"examples": len(made.examples)} if made.examples else {}


def _sealed(fold: ExamDir) -> dict[str, Any]:
    """Root and groups of a fold, for the seal of the exam that all folds become."""
    groups = {item.document for item in read_items(fold.file("items.parquet"))}
    return {"root": fold.seal["root"], "documents": sorted(groups)}


def _masked(rows: Sequence[dict[str, Any]], rules: Rules) -> list[dict[str, Any]]:
    """Rows that left before masking, masked: raw values stay in the corpus."""
    texts = shown_texts([(row["id"], row["text"]) for row in rows], rules=rules)
    return [{**row, "text": text} for row, text in zip(rows, texts, strict=True)]


def _write_dataset(draft: Draft, divided: Divided, *, dropped: list[dict[str, Any]]) -> None:
    write_worded(draft.path / "train.parquet", [*divided.train, *divided.planted.rows])
    write_worded(draft.path / "validation.parquet", divided.validation)
    write_worded(draft.path / "general.parquet", divided.general.validation)
    write_table(draft.path / "dropped.parquet", dropped, schema=DROPPED_SCHEMA)
    write_table(draft.path / "splits.parquet", divided.splits, schema=SPLIT_SCHEMA)
    _write_json(draft.path / "receipts.json", divided.receipts)
    draft.counts |= {**divided.counts, "general": len(divided.general.validation)}


def _facts(means: Means, *, base: Base, divided: Divided) -> dict[str, Any]:
    return {
        "objective": means.objective.name,
        "base": base.name,
        "base_digest": base.digest,
        "template_hash": means.wording.template_hash,
        "labels": divided.labels.names,
        "several_labels": divided.labels.several,
        "exam_root": divided.root,
        "alike": likeness(divided.reworded, divided.copied, free=means.objective.is_asked),
        "max_length": means.frame.limit,
        "system": means.frame.system,
        "instruction": means.frame.instruction,
        "warnings": divided.warnings,
        "claim": "KNOWLEDGE" if means.exam.claim == "knowledge" else "SKILL",
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
