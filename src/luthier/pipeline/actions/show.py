"""Look at a run: what each stage made, one row, or what is learnt of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from luthier.artifacts.folders import Artifact, CorpusDir, DatasetDir, ExamDir, ModelDir, ReportDir
from luthier.artifacts.manifest import NOTES
from luthier.errors import NotFoundError
from luthier.models.bases import resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.pipeline.actions.shown import Shown
from luthier.pipeline.project import Project, open_run
from luthier.records import Worded
from luthier.train.diagnosis import words_of

KINDS = (CorpusDir, DatasetDir, ExamDir, ModelDir, ReportDir)
GREEN, PLAIN = "\x1b[32m", "\x1b[0m"
RECEIPTS, PROOF = "receipts.json", "prove.json"
TABLES = ("train.parquet", "validation.parquet")


def show_run(run: Path) -> Shown:
    """What each stage of a run made, and the verdict."""
    project = open_run(run)
    folders: dict[str, Any] = {}
    lines = [f"{project.config.name}: objective {project.config.objective}, base {project.config.base}"]
    for kind in KINDS:
        try:
            artifact = kind.open(run / kind.kind)
        except NotFoundError:
            lines.append(f"{kind.kind:<8} not made yet")
            continue
        counts = artifact.manifest.counts
        receipts = _receipts(artifact)
        folders[kind.kind] = {"path": str(artifact.path), "digest": artifact.digest, "counts": counts}
        folders[kind.kind] |= {"receipts": receipts} if receipts else {}
        lines.append(f"{kind.kind:<8} {_counts(counts)}")
        if diagnosed := words_of(artifact.manifest.facts):
            folders[kind.kind]["diagnosis"] = diagnosed
            lines.append(f"{'':<8} {diagnosed}")
        lines += [f"{'':<8} receipt {name}: {_counts(found)}" for name, found in receipts.items()]
    proof = _proof(run, dataset=folders.get(DatasetDir.kind, {}).get("digest"))
    if proof is not None:
        lines.append(f"prove    {proof['words']}")
    verdict = _verdict(run) if ReportDir.kind in folders else None
    if verdict is not None:
        lines.append(f"verdict  {verdict}")
    spent = _spent(run) if verdict is not None else None
    lines += [f"cost     {line}" for line in _spent_words(spent or {})]
    values = {"run": str(run), "folders": folders, "prove": proof, "verdict": verdict, "cost": spent}
    return Shown(values, "\n".join(lines))


def show_row(run: Path, wanted: str) -> Shown:
    """Training and validation rows with this id or place; of an exam item only that it is one."""
    wording = _wording(open_run(run))
    found = [(table, row) for table, row in _rows(run) if wanted in {row.id, row.at}]
    if not found:
        if _in_exam(run, wanted):
            raise NotFoundError(f"{wanted}: is in the sealed exam. To read items, which costs a look, use --exam")
        raise NotFoundError(f"{run}: no training or validation row has the id or place '{wanted}'")
    lineage = _lineage(run, {row.id for _, row in found})
    rows = [{"table": table, **_row_values(row, wording), **_life(run, lineage[row.id])} for table, row in found]
    return Shown({"rows": rows}, "\n\n".join(map(_told, rows)))


def show_exam(run: Path, *, count: int) -> Shown:
    """The first items of the sealed exam, by id: a look, which is written into the ledger first."""
    from luthier.evaluate.looks import PERSON, open_exam

    plan = {"alpha": open_run(run).config.evaluate.alpha}
    opened = open_exam(ExamDir.open(run / ExamDir.kind), model=PERSON, plan=plan, why="read by a person")
    items = sorted(opened.items, key=lambda item: item.id)[:count]
    rows = [
        {"id": item.id, "at": item.at, "messages": [asdict(turn) for turn in item.messages], "golds": list(item.golds)}
        for item in items
    ]
    told = [
        f"look {opened.look.number} at this exam: from now on its guarantee is weaker, and fresh documents restore it"
    ]
    for item in items:
        asked = "\n".join(turn.content for turn in item.messages)
        told.append(f"{item.id}  {item.at}\n{asked}\n-> {' | '.join(item.golds)}")
    return Shown({"look": opened.look.number, "items": rows}, "\n\n".join(told))


def _lineage(run: Path, ids: set[str]) -> dict[str, dict[str, Any]]:
    from luthier.artifacts.tables import read_table

    dataset = DatasetDir.open(run / DatasetDir.kind)
    return {row["id"]: row for row in read_table(dataset.file("splits.parquet")) if row["id"] in ids}


def _life(run: Path, row: dict[str, Any]) -> dict[str, Any]:
    """The file a row came from, and what stood there before anything was changed."""
    from luthier.artifacts.documents import read_documents
    from luthier.artifacts.rows import read_examples
    from luthier.artifacts.tables import read_table
    from luthier.prepare.candidate import text_of

    corpus = CorpusDir.open(run / CorpusDir.kind)
    files = (entry for entry in read_table(corpus.file("files.parquet")) if entry["path"] == row["file"])
    file = next(({name: entry[name] for name in ("path", "sha256", "type", "reader")} for entry in files), None)
    span = None
    if row["document"] is None:
        texts = (
            example for example in read_examples(corpus.file("examples.parquet")) if example.origin.at == row["at"]
        )
        extracted = next(map(text_of, texts), "")
    else:
        span = {"document": row["document"], "start": row["start"], "end": row["end"]}
        documents = (one for one in read_documents(corpus.file("documents.parquet")) if one.id == row["document"])
        extracted = next((one.text.encode()[row["start"] : row["end"]].decode() for one in documents), "")
    return {"file": file, "span": span, "extracted": extracted, "part": row["part"]}


def _told(row: dict[str, Any]) -> str:
    """The life of a row, from file to token ids."""
    file, span = row["file"] or {}, row["span"]
    where = f"bytes {span['start']:,} to {span['end']:,} of its text" if span else row["at"]
    ids = " ".join(f"[{token}]" if learnt else str(token) for token, learnt in row["ids"])
    return "\n".join(
        [
            f"{row['table']}  {row['id']}  {row['at']}  group {row['group']}",
            f"1 file       {file.get('path')}  {file.get('type')}  sha256 {str(file.get('sha256'))[:16]}",
            f"2 extracted  {where}:\n{row['extracted']}",
            f"3 as it is learnt (cleaned, masked, worded):\n{row['text']}",
            f"4 token ids, the learnt ones in brackets:\n{ids}",
        ]
    )


def show_mask(run: Path, *, count: int, colour: bool) -> Shown:
    """The first training rows as the model reads them; what is learnt stands in [brackets] and in colour."""
    wording = _wording(open_run(run))
    rows: list[dict[str, Any]] = []
    for table, worded in _rows(run):
        if len(rows) == count or table != TABLES[0]:
            break
        rows.append(_row_values(worded, wording))
    open_mark, close_mark = (f"{GREEN}[", f"]{PLAIN}") if colour else ("[", "]")
    lines = []
    for row in rows:
        text = "".join(
            f"{open_mark}{part['text']}{close_mark}" if part["learnt"] else part["text"] for part in row["parts"]
        )
        label = f"  -> {', '.join(map(str, row['labels']))}" if row["labels"] else ""
        lines.append(f"{row['id']}  {row['at']}{label}\n{text}")
    return Shown({"rows": rows}, "\n\n".join(lines))


def _rows(run: Path) -> Iterator[tuple[str, Worded]]:
    from luthier.artifacts.rows import read_worded

    dataset = DatasetDir.open(run / DatasetDir.kind)
    for table in TABLES:
        for row in read_worded(dataset.file(table)):
            yield table, row


def _row_values(row: Worded, wording: Wording) -> dict[str, Any]:
    parts = []
    for learnt, pairs in groupby(zip(row.ids, row.trained, strict=True), key=lambda pair: pair[1]):
        ids = [token for token, _ in pairs]
        parts.append({"text": wording.tokenizer.decode(ids, skip_special_tokens=False), "learnt": learnt})
    text = "".join(str(part["text"]) for part in parts)
    learnt_count = sum(row.trained)
    return {
        "id": row.id,
        "at": row.at,
        "group": row.group,
        "labels": list(row.labels),
        "tokens": len(row.ids),
        "learnt": learnt_count,
        "text": text,
        "parts": parts,
        "ids": list(zip(row.ids, row.trained, strict=True)),
    }


def _in_exam(run: Path, wanted: str) -> bool:
    from luthier.artifacts.rows import read_items

    exam = ExamDir.open(run / ExamDir.kind)
    return any(wanted in {item.id, item.at} for item in read_items(exam.file("items.parquet")))


def _wording(project: Project) -> Wording:
    return load_wording(resolve_base(project.config.base, relative_to=project.home).folder)


def _verdict(run: Path) -> str:
    record = json.loads(ReportDir.open(run / ReportDir.kind).file("evidence.json").read_bytes())
    return str(record["verdict"]["verdict"])


def _spent(run: Path) -> dict[str, Any] | None:
    """What the clock said while the exam was sat, if the report has it."""
    path = run / ReportDir.kind / NOTES / "cost.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _spent_words(spent: Mapping[str, Any]) -> Iterator[str]:
    """One line per arm: time, money and memory of its answers."""
    for arm, found in spent.get("arms", {}).items():
        price = "" if found["cost_per_1000"] is None else f", {found['cost_per_1000']:g} at your price"
        memory = f"{found['peak_resident_bytes'] / 2**30:.1f} GiB"
        yield f"{arm}: {found['seconds_per_1000']:,.1f} s for 1,000 answers{price}, {memory} at most"


def _receipts(artifact: Artifact) -> dict[str, dict[str, Any]]:
    """What the receipts of a dataset or model counted, in the order of their numbers."""
    if RECEIPTS not in artifact.manifest.files:
        return {}
    found: dict[str, dict[str, Any]] = json.loads(artifact.file(RECEIPTS).read_bytes())
    return dict(sorted(found.items(), key=lambda one: int(one[0].removeprefix("R"))))


def _proof(run: Path, *, dataset: str | None) -> dict[str, Any] | None:
    """What the proof of cleaning found, if it is about this dataset."""
    if not (run / PROOF).is_file():
        return None
    found: dict[str, Any] = json.loads((run / PROOF).read_bytes())
    return found if found["dataset"] == dataset else None


def _counts(counts: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in counts.items() if isinstance(value, int | float | str))
