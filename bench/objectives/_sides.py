"""What the parts of the quality bench share: a peer's process, how tuned decoders are read, and the paired interval."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench.record import ROOT

from luthier.evaluate.statistics.clustered import FloatArray, clustered_gain, sum_by_document
from luthier.models.adapters import inject, load_adapter, load_adapter_state
from luthier.models.bases import Base
from luthier.models.chat import Wording
from luthier.models.engines.hf import Engine
from luthier.models.load import load_model
from luthier.objectives import objective
from luthier.records import Worded


def run_peer(python: Path, script: str, *words: object) -> str:
    """The last line that a peer's script prints; RuntimeError if it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    asked = [str(python), str(ROOT / "bench" / "objectives" / script), *map(str, words)]
    done = subprocess.run(
        asked, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script} failed:\n{done.stderr[-3000:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def nats_of(base: Base, wording: Wording, adapter: Path | None, rows: Sequence[Worded]) -> list[float]:
    """Nats of the trained tokens of every row, in float32, under the base with a `peft` folder or without."""
    loaded = load_model(base, objective("chat"), dtype=torch.float32)
    if adapter is not None:
        shape, state = load_adapter(adapter)
        inject(loaded.model, shape, skip=loaded.skip, seed=0)
        load_adapter_state(loaded.model, state, heads=())
    engine = Engine(loaded.model, wording=wording, labels=(), has_adapter=adapter is not None)
    return engine.nats(rows, adapter=adapter is not None)


def compared(
    scores: Mapping[str, Sequence[Sequence[float]]], groups: Sequence[str], *, metric: str
) -> Mapping[str, Any]:
    """Ours minus the peer's over items, each item's scores averaged over seeds, with a 95 % interval by group."""
    means: dict[str, FloatArray] = {who: np.array(found).mean(axis=0) for who, found in scores.items()}
    _, documents = np.unique(groups, return_inverse=True)
    sums = sum_by_document(
        means["ours"] - means["peer"],
        document_N=documents.astype(np.int64),
        task_N=np.zeros(len(groups), dtype=np.int64),
        weights_K=np.ones(1),
    )
    gain = clustered_gain(sums, alpha=0.025)
    told = {who: float(each.mean()) for who, each in means.items()}
    seeds = {who: [float(np.mean(one)) for one in found] for who, found in scores.items()}
    found = {"difference": gain.value, "low": gain.low, "high": gain.high, **told, "seeds": seeds}
    return {**found, "metric": metric, "items": len(groups)}
