"""Would more data help? Trainings on nested parts of a run's documents, and what their losses foretell."""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from luthier.artifacts.canonical import hash_order, sha256_of
from luthier.artifacts.folders import DatasetDir, ModelDir, building
from luthier.artifacts.lock import run_lock
from luthier.artifacts.rows import read_worded, write_worded
from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.errors import UsageError, UserError
from luthier.evaluate.forecast import FARTHEST, LEVEL, Outlook, foresee
from luthier.models.bases import Base, resolve_base
from luthier.pipeline.actions.shown import Shown
from luthier.pipeline.project import Project, open_run
from luthier.records import Listener, Tick, Worded, nobody_listens

FORMAT = "luthier.more-data/1"
FILE = "more-data.json"
VERSION = 1
"""Rises when the same dataset is judged in another way."""
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SEEDS = (0, 1)
FEWEST = 16
"""Documents: with fewer the smallest part is none."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is trained on, and what all trainings are judged by."""

    project: Project
    dataset: DatasetDir
    base: Base
    place: Path
    """Where parts and models lie until all is done."""


def forecast(
    run: Path,
    *,
    times: float = 2.0,
    tell: Callable[[str], None],
    listener: Listener = nobody_listens,
) -> Shown:
    """Bits per byte of the validation rows after training on 1/16 to all of the documents, twice each, and, if they can
    foretell it, after training on `times` as many. Trained once: `more-data.json` in the run folder keeps the losses.

    Raises UsageError for a number that cannot be, UserError for a run that writes nothing or has too few documents, and
    NotFoundError before its dataset is there.
    """
    if not 1 < times <= FARTHEST:
        raise UsageError(f"--times {times:g}: give a number above 1, at most {FARTHEST}.")
    project = open_run(run)
    with run_lock(project.folder):
        dataset = DatasetDir.open(project.folder / DatasetDir.kind)
        _check(dataset, project)
        base = resolve_base(project.config.base, relative_to=project.home, listener=listener)
        settings = {"version": VERSION, "train": project.config.train.model_dump(mode="json")}
        key = sha256_of({**settings, "dataset": dataset.digest, "base": base.digest})
        file = project.folder / FILE
        found = orjson.loads(file.read_bytes()) if file.is_file() else {}
        if found.get("key") != key:
            parts = Parts(project, dataset, base, project.folder / "more-data")
            found = {"format": FORMAT, "key": key, "losses": _losses(parts, tell=tell, listener=listener)}
            with explain_disk(file):
                write_atomic(file, orjson.dumps(found, option=orjson.OPT_INDENT_2))
            shutil.rmtree(parts.place, ignore_errors=True)
    return outlook(found["losses"], times=times)


def outlook(losses: Sequence[Sequence[float]], *, times: float) -> Shown:
    """What [documents, seed, bits per byte] of every training foretell; nothing if the past could not be foretold."""
    documents, loss = (np.array([row[place] for row in losses], dtype=np.float64) for place in (0, 2))
    most = float(documents.max())
    seen = foresee(documents, loss, target=times * most, seed=0)
    means = {int(each): float(loss[documents == each].mean()) for each in sorted(set(documents.tolist()))}
    values = {
        "format": FORMAT,
        "losses": [list(row) for row in losses],
        "predictable": not seen.reason,
        "reason": seen.reason,
        "forecast": None if seen.reason else _interval(seen),
    }
    lines = ["documents   bits per byte held out"]
    lines += [f"{each:>9,}   {value:.4f}" for each, value in means.items()]
    return Shown(values, "\n".join([*lines, "", _words(seen, means[int(most)])]))


def _interval(seen: Outlook) -> dict[str, float]:
    forecast = seen.forecast
    return {"documents": forecast.documents, "value": forecast.value, "low": forecast.low, "high": forecast.high}


def _words(seen: Outlook, today: float) -> str:
    if seen.reason:
        return f"Not predictable: {seen.reason}. More data may help or not; only trying it tells."
    forecast = seen.forecast
    saved = 100 * (1 - forecast.value / today)
    return (
        f"With {forecast.documents:,.0f} documents a training would need {forecast.value:.4f} bits per byte, "
        f"{saved:.1f} % fewer than now ({100 * LEVEL:.0f} % interval {forecast.low:.4f} to {forecast.high:.4f})."
    )


def _check(dataset: DatasetDir, project: Project) -> None:
    if project.objective.head != "causal" or project.objective.apart:
        raise UserError(
            f"{project.folder}: a forecast is about bits per byte of text, which objective "
            f"'{project.objective.name}' does not write. It can be had for chat and complete."
        )
    groups = len(_groups(read_worded(dataset.file("train.parquet"))))
    if groups < FEWEST:
        raise UserError(
            f"{project.folder}: training has {groups} documents (groups), and parts down to a sixteenth need {FEWEST}. "
            "Add documents, or split finer (prepare.split.group_by)."
        )
    if not dataset.manifest.counts.get("validation"):
        raise UserError(f"{project.folder}: there are no validation rows to judge by. Add documents.")


def _groups(rows: Sequence[Worded]) -> list[str]:
    """In an order in which every start is a fair sample, and holds every shorter start."""
    return sorted({row.group for row in rows}, key=hash_order)


def _losses(parts: Parts, *, tell: Callable[[str], None], listener: Listener) -> list[list[float]]:
    rows = read_worded(parts.dataset.file("train.parquet"))
    groups = _groups(rows)
    whole = len(SEEDS) * sum(SHARES)
    tell(f"more data: {len(SHARES) * len(SEEDS)} trainings, {whole:.1f} times as long as one on everything")
    losses: list[list[float]] = []
    for share in SHARES:
        inside = set(groups[: max(1, round(share * len(groups)))])
        some = [row for row in rows if row.group in inside]
        sample = _part(parts.place / f"{len(inside)}" / DatasetDir.kind, some, like=parts.dataset)
        for seed in SEEDS:
            loss = _loss(sample, parts, seed=seed, listener=listener)
            listener(Tick("train", 0, 0, f"{len(inside):,} documents, seed {seed}: {loss:.4f} bits per byte"))
            losses.append([len(inside), seed, loss])
    return losses


def _part(out: Path, rows: Sequence[Worded], *, like: DatasetDir) -> DatasetDir:
    """A dataset of these training rows with everything else of another."""
    key = sha256_of(sorted(row.id for row in rows))
    with building(out, DatasetDir, key=key, settings={}, inputs={"dataset": like.digest}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        for name in ("validation.parquet", "general.parquet"):
            if name in like.manifest.files:
                shutil.copy(like.file(name), draft.path / name)
        draft.facts |= like.manifest.facts
    return DatasetDir.open(out)


def _loss(sample: DatasetDir, parts: Parts, *, seed: int, listener: Listener) -> float:
    """Bits per byte of all validation rows after a training as the project's."""
    from luthier.models.engines.hf import load_engine
    from luthier.train.stage import train

    changes = {"seed": parts.project.config.train.seed + seed, "seeds": 1, "track": []}
    config = parts.project.config.train.model_copy(update=changes)
    out = sample.path.parent / f"seed-{seed}" / ModelDir.kind
    model = train(sample, base=parts.base, config=config, out=out, listener=listener)
    held_out = read_worded(sample.file("validation.parquet"))
    nats = load_engine(parts.base, tuned=model).nats(held_out, adapter=True, listener=listener)
    return sum(nats) / math.log(2) / sum(row.answer_bytes for row in held_out)
