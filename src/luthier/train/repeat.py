"""The same training with several seeds: the best on validation ships, and how much they differ is told."""

import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from luthier.artifacts.folders import ModelDir, building, find
from luthier.artifacts.manifest import MANIFEST
from luthier.artifacts.storage import explain_disk, make_folder
from luthier.models.machine import return_freed_memory
from luthier.records import Tick
from luthier.train.config import train_key
from luthier.train.setup import Job

TrainOnce = Callable[[Job, str, Path], None]
"""Trains a job into a folder, under a key."""


def repeat(job: Job, *, key: str, out: Path, train_once: TrainOnce) -> None:
    """Train `seeds` times, each in `scratch/seed-<n>`, and copy the best to `out`. Finished ones are not done again."""
    inputs = {"dataset": job.dataset.digest, "base": job.base.digest}
    models: dict[int, ModelDir] = {}
    for seed in range(job.config.seed, job.config.seed + job.config.seeds):
        config = job.config.model_copy(update={"seed": seed, "seeds": 1})
        part_key = train_key(config, dataset_digest=inputs["dataset"], base_digest=inputs["base"])
        home = job.scratch / f"seed-{seed}"
        if find(home / ModelDir.kind, ModelDir, key=part_key) is None:
            job.listener(Tick("train", 0, 0, f"seed {seed}, {len(models) + 1} of {job.config.seeds}"))
            with explain_disk(home):
                make_folder(home)
            train_once(replace(job, config=config, scratch=home), part_key, home / ModelDir.kind)
            return_freed_memory()
        models[seed] = ModelDir.open(home / ModelDir.kind)
    losses = {seed: model.manifest.facts["best_validation_loss"] for seed, model in models.items()}
    told = spread(losses)
    best = models[told["shipped"]]
    with building(out, ModelDir, key=key, settings=job.config.model_dump(), inputs=inputs) as draft:
        shutil.copytree(best.path, draft.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
        draft.counts |= best.manifest.counts
        draft.facts |= {**best.manifest.facts, "seeds": told}
    job.listener(Tick("train", 0, 0, told["words"]))


def spread(losses: dict[int, float | None]) -> dict[str, Any]:
    """Which seed ships, and how much validation differs between them; the first ships if nothing was validated."""
    known = {seed: loss for seed, loss in losses.items() if loss is not None}
    shipped = min(known, key=known.__getitem__) if known else min(losses)
    found: dict[str, Any] = {"shipped": shipped, "losses": {str(seed): loss for seed, loss in losses.items()}}
    if not known:
        return found | {"words": f"{len(losses)} seeds without validation rows: seed {shipped} ships"}
    mean, deviation = statistics.fmean(known.values()), statistics.stdev(known.values()) if len(known) > 1 else 0.0
    listed = ", ".join(f"{loss:.4g}" for loss in known.values())
    words = f"{len(losses)} seeds: validation {listed} (mean {mean:.4g}, standard deviation {deviation:.2g}); "
    return found | {"mean": mean, "deviation": deviation, "words": f"{words}seed {shipped} ships"}
