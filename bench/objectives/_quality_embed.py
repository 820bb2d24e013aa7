"""Search by synonyms against sentence-transformers' trainer: same pairs, epochs, rows a step, rate and adapter.

The pairs are those of the example `synonym-search`; nDCG@10 of terms of categories never trained on, among all titles.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench.datasets import write_dataset
from bench.kept import kept
from bench.objectives._sides import compared, run_peer
from bench.objectives._synonyms import read_pairs, split_pairs, worded_row
from bench.objectives.ner import PEERS
from bench.peers import peer_python
from bench.record import Asked, say

from luthier.evaluate.metrics.ranking import ndcg, ranks_of
from luthier.evaluate.statistics.clustered import FloatArray
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
EPOCHS = 1
SEEDS = 3


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Three seeds; the quick form takes one, on a tenth of the categories."""
    use_all_cores()
    base = resolve_base(BASE, relative_to=Path())
    pairs = read_pairs()[:: 10 if asked.quick else 1]
    learn, held = split_pairs(pairs, held_out=HELD_OUT, seed=asked.seed)
    titles = sorted({title for _, title, _ in pairs})
    bout = _Bout(
        base,
        [pairs[place] for place in learn],
        [*titles, *(pairs[place][0] for place in held)],
        [titles.index(pairs[place][1]) for place in held],
        pool=len(titles),
    )
    scores: dict[str, list[list[float]]] = {"ours": [], "peer": []}
    found: dict[str, Any] = {}
    for seed in range(asked.seed, asked.seed + (1 if asked.quick else SEEDS)):
        found = bout.run("ours", seed)
        scores["ours"].append(found["scores"])
        scores["peer"].append(bout.run("peer", seed, rate=found["rate"])["scores"])
        told = {who: f"{np.mean(each[-1]):.4f}" for who, each in scores.items()}
        say(f"seed {seed}: nDCG@10 ours {told['ours']}, sentence-transformers {told['peer']}")
    result = compared(scores, [pairs[place][2][:3] for place in held], metric="nDCG@10")
    about = {"base": float(np.mean(found["before"])), "rate": found["rate"], "pairs": len(learn), "pool": len(titles)}
    return {"embed (pairs)": {**result, **about}}


@dataclass(frozen=True, slots=True)
class _Bout:
    """Pairs that both sides learn from, and the texts that tell: the pool, and behind it the queries."""

    base: Base
    trained: Sequence[tuple[str, str, str]]
    texts: Sequence[str]
    golds: Sequence[int]
    """The place in the pool of what each query asks for."""
    pool: int

    def run(self, who: str, seed: int, *, rate: float = 0.0) -> dict[str, Any]:
        """nDCG@10 of every query, of the model and of the base before, and the rate: that of our `auto`, which the peer
        takes over.
        """
        about = {"who": who, "seed": seed, "rate": rate, "plan": [EPOCHS, TOGETHER]}
        about |= {"pairs": list(self.trained), "texts": list(self.texts)}
        return kept("quality-embed", about, partial(self._made, who, seed, rate), ours=who == "ours")

    def _made(self, who: str, seed: int, rate: float) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if who == "ours":
                ours, before, rate = _ours(folder, self.base, self.trained, self.texts, seed)
                return {"scores": self._scores(ours), "before": self._scores(before), "rate": rate}
            theirs = _theirs(folder, self.base, self.trained, self.texts, seed=seed, rate=rate)
            return {"scores": self._scores(theirs), "rate": rate}

    def _scores(self, vectors: FloatArray) -> list[float]:
        return scores_of(vectors, self.golds, pool=self.pool)


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
    dataset = write_dataset(folder / "dataset", rows, base=base, objective="embed")
    tokens = float(np.mean([len(row.ids) for row in rows]))
    settings = {"epochs": float(EPOCHS), "batch_tokens": round(TOGETHER * tokens), "seed": seed}
    model = train(dataset, base=base, config=TrainConfig.model_validate(settings), out=folder / "run" / "model")
    engine = load_engine(base, tuned=model)
    ids = [wording.text_ids(text) for text in texts]
    rate = float(model.manifest.facts["choices"]["learning_rate"]["value"])
    return engine.embed(ids, adapter=True), engine.embed(ids, adapter=False), rate


def _theirs(
    folder: Path, base: Base, pairs: Sequence[tuple[str, str, str]], texts: Sequence[str], **settings: float
) -> FloatArray:
    """The peer's vectors."""
    asked = {"pairs": [pair[:2] for pair in pairs], "texts": list(texts), "base": str(base.folder), **settings}
    (folder / "asked.json").write_text(json.dumps({**asked, "epochs": EPOCHS, "together": TOGETHER}), encoding="utf-8")
    run_peer(peer_python("encoders", requirements=PEERS), "_sentence_embed_loop.py", folder)
    vectors: FloatArray = np.load(folder / "vectors.npy").astype(np.float64)
    return vectors
