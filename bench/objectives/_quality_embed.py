"""Search by synonyms against sentence-transformers' trainer: same pairs, epochs, rows a step, rate and adapter.

The pairs are those of the example `synonym-search`; nDCG@10 of terms of categories never trained on, among all titles.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench.objectives._synonyms import read_pairs, split_pairs, worded_row
from bench.objectives.ner import PEERS
from bench.peers import peer_python
from bench.record import ROOT, Asked, say

from luthier.artifacts.folders import DatasetDir, building
from luthier.artifacts.rows import write_worded
from luthier.evaluate.metrics.ranking import ndcg, ranks_of
from luthier.evaluate.statistics.clustered import FloatArray, clustered_gain, sum_by_document
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.models.machine import use_all_cores
from luthier.train.config import TrainConfig
from luthier.train.stage import train

VERSIONS = {"sentence-transformers": PEERS[-1], "transformers": PEERS[0], "peft": PEERS[2]}
BASE = "minilm-l6"
HELD_OUT = 0.25
TOGETHER = 64
"""Pairs of a step."""
EPOCHS = 2
SEEDS = 3


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Three seeds; the quick form takes one, on a tenth of the categories."""
    use_all_cores()
    python = peer_python("encoders", requirements=PEERS)
    base = resolve_base(BASE, relative_to=Path())
    pairs = read_pairs()[:: 10 if asked.quick else 1]
    learn, held = split_pairs(pairs, held_out=HELD_OUT, seed=asked.seed)
    titles = sorted({title for _, title, _ in pairs})
    texts = [*titles, *(pairs[place][0] for place in held)]
    golds = [titles.index(pairs[place][1]) for place in held]
    found: dict[str, list[list[float]]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(asked.seed, asked.seed + (1 if asked.quick else SEEDS)):
            place = Path(folder) / f"{seed}"
            place.mkdir()
            trained = [pairs[number] for number in learn]
            ours, before, rate = _ours(place, base, trained, texts, seed)
            theirs = _theirs(python, place, base, trained, texts, seed=seed, rate=rate)
            for who, vectors in {"ours": ours, "peer": theirs}.items():
                found[who].append(scores_of(vectors, golds, pool=len(titles)))
            told = {who: f"{np.mean(each[-1]):.4f}" for who, each in found.items()}
            say(f"seed {seed}: nDCG@10 ours {told['ours']}, sentence-transformers {told['peer']}")
    means = {who: np.array(each).mean(axis=0) for who, each in found.items()}
    categories = [pairs[place][2][:3] for place in held]
    _, documents = np.unique(categories, return_inverse=True)
    sums = sum_by_document(
        means["ours"] - means["peer"],
        document_N=documents.astype(np.int64),
        task_N=np.zeros(len(held), dtype=np.int64),
        weights_K=np.ones(1),
    )
    gain = clustered_gain(sums, alpha=0.025)
    result = {"difference": gain.value, "low": gain.low, "high": gain.high, "metric": "nDCG@10"}
    result |= {who: float(each.mean()) for who, each in means.items()}
    result |= {"base": float(np.mean(scores_of(before, golds, pool=len(titles)))), "rate": rate}
    return {"embed (pairs)": {**result, "pairs": len(learn), "items": len(held), "pool": len(titles)}}


def scores_of(vectors: FloatArray, golds: Sequence[int], *, pool: int) -> list[float]:
    """nDCG@10 of the texts behind the pool, each of which has one text of the pool as its answer."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return [ndcg(ranks_of(unit[:pool] @ query, [gold])) for query, gold in zip(unit[pool:], golds, strict=True)]


def _ours(
    folder: Path, base: Base, pairs: Sequence[tuple[str, str, str]], texts: Sequence[str], seed: int
) -> tuple[FloatArray, FloatArray, float]:
    """Vectors of our model and of the base, and the rate that was settled on."""
    wording = load_wording(base.folder)
    rows = [worded_row(wording, place, [q, p], group=code[:3]) for place, (q, p, code) in enumerate(pairs)]
    with building(folder / "dataset", DatasetDir, key="bench", settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        write_worded(draft.path / "validation.parquet", [])
        draft.facts |= {"objective": "embed", "base": base.name, "template_hash": wording.template_hash}
    dataset = DatasetDir.open(folder / "dataset")
    tokens = float(np.mean([len(row.ids) for row in rows]))
    settings = {"epochs": float(EPOCHS), "batch_tokens": round(TOGETHER * tokens), "seed": seed}
    model = train(dataset, base=base, config=TrainConfig.model_validate(settings), out=folder / "run" / "model")
    engine = load_engine(base, tuned=model)
    ids = [wording.text_ids(text) for text in texts]
    rate = float(model.manifest.facts["choices"]["learning_rate"]["value"])
    return engine.embed(ids, adapter=True), engine.embed(ids, adapter=False), rate


def _theirs(
    python: Path,
    folder: Path,
    base: Base,
    pairs: Sequence[tuple[str, str, str]],
    texts: Sequence[str],
    **settings: float,
) -> FloatArray:
    """The peer's vectors; RuntimeError if the script fails."""
    asked = {"pairs": [pair[:2] for pair in pairs], "texts": list(texts), "base": str(base.folder), **settings}
    (folder / "asked.json").write_text(json.dumps({**asked, "epochs": EPOCHS, "together": TOGETHER}), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(python), str(ROOT / "bench" / "objectives" / "_sentence_embed_loop.py"), str(folder)]
    done = subprocess.run(
        words, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"sentence-transformers failed:\n{done.stderr[-3000:]}")
    vectors: FloatArray = np.load(folder / "vectors.npy").astype(np.float64)
    return vectors
