"""Prove what cleaning did: short runs with and without the rows that it took out, judged by held-out bits per byte."""

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import variance
from typing import Any, get_args

import numpy as np
import orjson
from scipy.special import stdtrit

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import CorpusDir, DatasetDir, ModelDir, building
from luthier.artifacts.rows import read_worded, write_worded
from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.artifacts.tables import read_table
from luthier.evaluate.statistics.clustered import clustered_gain, sum_by_document
from luthier.models.bases import Base
from luthier.pipeline.project import Project
from luthier.pipeline.stages import Shelf, target_of
from luthier.prepare.clean.thresholds import Rule
from luthier.records import Listener, Worded
from luthier.train.config import TrainConfig

FILE = "prove.json"
VERSION = 1
"""Rises when the same dataset is judged in another way."""
TOKENS, MOST_EPOCHS = 16_384, 3
"""Most that is trained in a run, with and without alike."""
SEEDS = (0, 1, 2)
"""Pairs of runs: the order of the rows alone moves the result, and an interval must hold that."""
HELD_OUT = 8_192
"""Most tokens of validation rows on which all runs are judged."""
ALPHA = 0.05
"""Of each end of the interval."""
TRAINED = ("objective", "template_hash", "labels")
"""Facts of a dataset that training asks for."""


@dataclass(frozen=True, slots=True)
class Arms:
    """What is trained with, and without, the rows that cleaning took out, and what both are judged on."""

    without: list[Worded]
    returned: list[Worded]
    held_out: list[Worded]
    removed: int
    """Rows and documents that cleaning took out."""


@dataclass(frozen=True, slots=True)
class Runs:
    """How a short run is made."""

    base: Base
    config: TrainConfig
    listener: Listener

    def bits(
        self, sample: DatasetDir, held_out: Sequence[Worded], *, out: Path, seed: int, epochs: float
    ) -> np.ndarray:
        """Bits per byte [N] of the held-out rows after training on a sample."""
        from luthier.models.engines.hf import load_engine
        from luthier.train.stage import train

        changes: dict[str, Any] = {"epochs": epochs, "seed": seed, "seeds": 1, "replay": 0.0, "scale": 1.0, "track": []}
        if self.config.learning_rate == "search":
            changes["learning_rate"] = "auto"  # there are no validation rows to search on
        config = self.config.model_copy(update=changes)
        model = train(sample, base=self.base, config=config, out=out / ModelDir.kind, listener=self.listener)
        nats = load_engine(self.base, tuned=model).nats(held_out, adapter=True, listener=self.listener)
        return np.array(nats) / [math.log(2) * row.answer_bytes for row in held_out]


def prove(project: Project, shelf: Shelf, *, base: Base, listener: Listener, tell: Callable[[str], None]) -> None:
    """Write `prove.json` into the run folder, unless it is there for this dataset and base.

    Six short runs; what a kill leaves in `prove/` is gone on from. The rows that come back are those of the rules of
    `CleanConfig.keep`, without boilerplate, which cuts lines; rows that say nothing stay out.
    """
    dataset = shelf.take(DatasetDir)
    settings = {"version": VERSION, "tokens": TOKENS, "train": project.config.train.model_dump(mode="json")}
    key = sha256_of({**settings, "dataset": dataset.digest, "base": base.digest})
    path = project.folder / FILE
    if path.is_file() and orjson.loads(path.read_bytes())["key"] == key:
        return
    place = project.folder / "prove"
    arms = _arms(project, shelf, base=base, place=place, listener=listener)
    groups = len({row.group for row in arms.held_out})
    found: dict[str, Any] = {"format": "luthier.prove/1", "key": key, "dataset": dataset.digest}
    found |= {
        "removed": arms.removed,
        "returned": len(arms.returned),
        "held_out": {"rows": len(arms.held_out), "groups": groups},
    }
    if arms.returned and groups > 1:
        tell(
            f"prove: {2 * len(SEEDS)} short runs of at most {TOKENS:,} tokens, with and without {len(arms.returned):,} "
            "rows (about 6 minutes for smollm2-135m on two cores)"
        )
        found |= _compare(arms, dataset, runs=Runs(base, project.config.train, listener), place=place)
    found["words"] = in_words(found)
    with explain_disk(path):
        write_atomic(path, orjson.dumps(found, option=orjson.OPT_INDENT_2))
    shutil.rmtree(place, ignore_errors=True)
    tell(f"prove: {found['words']}")


def in_words(found: dict[str, Any]) -> str:
    """The result as one sentence or two."""
    if not found["returned"]:
        return f"cleaning took {found['removed']:,} rows out, and none of them could be trained: nothing to compare"
    if "saved" not in found:
        return (
            "validation rows are of one group only: nothing to judge by. Add files, or a finer prepare.split.group_by"
        )
    saved, bits = found["saved"], found["bits_per_byte"]
    verdict = "no difference can be seen"
    if saved["low"] > 0:
        verdict = "cleaning helped"
    if saved["high"] < 0:
        verdict = "cleaning harmed: look at the samples of its rules on the data sheet"
    return (
        f"{bits['without']:.4f} bits per byte held out without the {found['returned']:,} rows that cleaning took out, "
        f"{bits['with']:.4f} with them: {saved['value']:+.4f} saved, interval {saved['low']:+.4f} to "
        f"{saved['high']:+.4f} (90 %, over {found['held_out']['groups']:,} groups and {len(SEEDS)} orders): {verdict}"
    )


def _arms(project: Project, shelf: Shelf, *, base: Base, place: Path, listener: Listener) -> Arms:
    from luthier.compute.executors import executor_for
    from luthier.prepare.stage import prepare

    dataset, config = shelf.take(DatasetDir), project.config.prepare
    dropped = [row for row in read_table(dataset.file("dropped.parquet")) if row["rule"] in get_args(Rule)]
    rules = sorted({row["rule"] for row in dropped})
    validation = sorted(read_worded(dataset.file("validation.parquet")), key=lambda row: row.id)
    train = read_worded(dataset.file("train.parquet"))
    returned: list[Worded] = []
    if rules:
        changes = {"keep": [*config.clean.keep, *rules], "likelihood": False, "helpful_questions": False}
        clean = config.clean.model_copy(update=changes)
        whole = prepare(
            shelf.take(CorpusDir),
            target=target_of(project, base, shelf=shelf),
            config=config.model_copy(update={"clean": clean}),
            out=place / "whole",
            executor=executor_for(project.config.compute),
            listener=listener,
        ).dataset
        returned = _returned(whole, {row["id"] for row in dropped}, apart={row.id for row in validation})
    return Arms(train, returned, list(_within(validation, tokens=HELD_OUT)), removed=len(dropped))


def _returned(whole: DatasetDir, removed: set[str], *, apart: set[str]) -> list[Worded]:
    """Training rows that are there again, unless they are alike to a row that is held out."""
    lineage = {row["id"]: row for row in read_table(whole.file("splits.parquet"))}
    beside = {row["group"] for name, row in lineage.items() if name in apart}
    rows = (row for row in read_worded(whole.file("train.parquet")) if row.group not in beside)
    # A row of a long text has the id of its text with a number, and the rows of a document have its id beside theirs.
    return [row for row in rows if {row.id.partition("-")[0], lineage[row.id]["document"]} & removed]


def _within(rows: Iterable[Worded], *, tokens: int) -> Iterable[Worded]:
    for row in rows:
        tokens -= len(row.ids)
        if tokens < 0:
            return
        yield row


def _compare(arms: Arms, dataset: DatasetDir, *, runs: Runs, place: Path) -> dict[str, Any]:
    rows = {"without": arms.without, "with": [*arms.without, *arms.returned]}
    sizes = {arm: sum(len(row.ids) for row in some) for arm, some in rows.items()}
    tokens = min(TOKENS, MOST_EPOCHS * sizes["without"])
    bits: dict[str, list[np.ndarray]] = {}
    for arm, some in rows.items():
        sample = _dataset(place / arm / DatasetDir.kind, some, like=dataset)
        bits[arm] = [
            runs.bits(sample, arms.held_out, out=place / f"{arm}-{seed}", seed=seed, epochs=tokens / sizes[arm])
            for seed in SEEDS
        ]
    saved = np.array(bits["with"]) - np.array(bits["without"])
    return {
        "bits_per_byte": {arm: float(np.mean(values)) for arm, values in bits.items()},
        "by_order": saved.mean(axis=1).tolist(),
        "saved": interval(saved, [row.group for row in arms.held_out]),
    }


def _dataset(out: Path, rows: Sequence[Worded], *, like: DatasetDir) -> DatasetDir:
    """A dataset of these rows. Without validation the last step is judged, so what judges chooses nothing."""
    with building(out, DatasetDir, key=sha256_of(sorted(row.id for row in rows)), settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        write_worded(draft.path / "validation.parquet", [])
        draft.facts |= {name: like.manifest.facts[name] for name in TRAINED}
    return DatasetDir.open(out)


def interval(saved: np.ndarray, groups: Sequence[str]) -> dict[str, float]:
    """Mean of [orders, rows] and its bounds: held-out groups and orders of training are both a sample.

    Their variances add up; degrees of freedom by Welch and Satterthwaite.
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    documents = np.array([numbers[name] for name in groups])
    tasks = np.zeros(len(groups), dtype=np.int64)
    sums = sum_by_document(saved.mean(axis=0), document_N=documents, task_N=tasks, weights_K=np.ones(1))
    texts = clustered_gain(sums, alpha=ALPHA)
    orders = variance(saved.mean(axis=1).tolist()) / len(saved)
    total = texts.se**2 + orders
    reach = 0.0
    if total > 0:
        df = total**2 / (texts.se**4 / texts.df + orders**2 / (len(saved) - 1))
        reach = float(stdtrit(df, 1 - ALPHA)) * math.sqrt(total)
    return {"value": texts.value, "low": texts.value - reach, "high": texts.value + reach}
