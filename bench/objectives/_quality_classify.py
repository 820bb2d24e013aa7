"""Subjects of exam questions against the `transformers` Trainer: same rows, epochs, rows a step and rule for the rate.

The questions are those of the example `exam-questions`. Each side tunes as it does by default, ours by LoRA, the
Trainer every weight, at three rates around what that usually wants; of a side's three, the one with the lowest loss on
the validation rows goes on with the other seeds. Ours also chooses its step by these rows, as it ships; the Trainer's
last step counts. Macro-F1 on questions never trained on, the counts of all seeds added up.
"""

import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench.datasets import labelled_rows, write_dataset
from bench.kept import digest_of, kept
from bench.objectives._sides import run_peer
from bench.objectives.ner import PEERS
from bench.peers import peer_python
from bench.record import ROOT, Asked, say

from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.statistics.jackknife import jackknife_gain, jackknife_score
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.models.machine import use_all_cores
from luthier.train.config import TrainConfig
from luthier.train.stage import train

VERSIONS = {"transformers": PEERS[0], "accelerate": PEERS[3]}
DATA = ROOT / "examples" / "exam-questions" / "data" / "questions.jsonl"
BASE = "minilm-l6"
PARTS = {"learn": 480, "validate": 120, "ask": 900}
TOGETHER, EPOCHS = 16, 5
RATES = {"ours": (3e-4, 1e-3, 3e-3), "peer": (3e-5, 1e-4, 3e-4)}
"""Of LoRA, and of every weight, which wants a tenth."""
SEEDS = 3
ALPHA = 0.025
Train = Callable[[int, float], dict[str, Any]]


def compare(asked: Asked) -> dict[str, Mapping[str, Any]]:
    """Three rates with one seed and the best with two more; the quick form takes one rate, one seed and few rows."""
    use_all_cores()
    base = resolve_base(BASE, relative_to=Path())
    told = _rows(base, seed=asked.seed, share=10 if asked.quick else 1)
    seeds = range(asked.seed, asked.seed + (1 if asked.quick else SEEDS))
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "rows.json"
        file.write_text(json.dumps(told), encoding="utf-8")
        ways: dict[str, Train] = {"ours": partial(_ours, base, told), "peer": partial(_theirs, base, file)}
        rows = digest_of(file)
        runs: dict[str, list[dict[str, Any]]] = {}
        rates: dict[str, float] = {}
        for who, way in ways.items():
            runs[who], rates[who] = _side(who, way, told, rows=rows, seeds=seeds, quick=asked.quick)
    return {"classify": _result(runs, told, rates)}


def _side(
    who: str, way: Train, told: Mapping[str, Any], *, rows: str, seeds: Sequence[int], quick: bool
) -> tuple[list[dict[str, Any]], float]:
    """What one side answers with every seed at the rate that validation prefers, and that rate."""

    def run(rate: float, seed: int) -> dict[str, Any]:
        about = {"who": who, "rate": rate, "seed": seed, "rows": rows, "plan": [TOGETHER, EPOCHS]}
        found = kept("quality-classify", about, partial(way, seed, rate), ours=who == "ours")
        say(f"    {who} at {rate:g}, seed {seed}: validation {_loss(found, told):.4f} nats")
        return found

    first = {rate: run(rate, seeds[0]) for rate in (RATES[who][1:2] if quick else RATES[who])}
    best = min(first, key=lambda rate: _loss(first[rate], told))
    return [first[best], *(run(best, seed) for seed in seeds[1:])], best


def _loss(found: Mapping[str, Any], told: Mapping[str, Any]) -> float:
    """Mean nats of the right labels of the validation rows."""
    return -float(np.mean([logp[row["label"]] for logp, row in zip(found["validate"], told["validate"], strict=True)]))


def _result(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], told: Mapping[str, Any], rates: Mapping[str, float]
) -> Mapping[str, Any]:
    gold_N = np.array([row["label"] for row in told["ask"]])
    document_N, labels = np.arange(len(gold_N)), len(told["labels"])
    metric = macro_f1(scored_labels(gold_N, document_N, labels=labels), labels=labels)
    counts, accuracy = {}, {}
    for who, found in runs.items():
        named = [np.array(run["ask"]).argmax(axis=1) for run in found]
        accuracy[who] = [float(np.mean(each == gold_N)) for each in named]
        parts = [label_counts(gold_N, each, document_N=document_N, labels=labels) for each in named]
        counts[who] = np.sum(parts, axis=0)
    scores = {who: jackknife_score(each, metric, alpha=ALPHA).value for who, each in counts.items()}
    gain = jackknife_gain(counts["ours"], counts["peer"], metric, alpha=ALPHA)
    say(f"classify: macro-F1 ours {scores['ours']:.4f}, the Trainer {scores['peer']:.4f}")
    result = {"difference": gain.value, "low": gain.low, "high": gain.high, **scores, "metric": "macro-F1"}
    return {**result, "rates": dict(rates), "accuracy": accuracy, "items": len(gold_N), "rows": len(told["learn"])}


def _rows(base: Base, *, seed: int, share: int) -> dict[str, Any]:
    """Names of the labels that are learnt, and the questions of every part, shuffled; each as everybody reads it."""
    wording = load_wording(base.folder)
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    random.Random(seed).shuffle(rows)
    labels = sorted({row["label"] for row in rows[: PARTS["learn"] // share]})
    told: dict[str, Any] = {"labels": labels}
    start = 0
    for part, size in PARTS.items():
        chosen = [row for row in rows[start : start + size // share] if row["label"] in labels]
        start += size // share
        told[part] = [{"ids": wording.text_ids(row["text"]), "label": labels.index(row["label"])} for row in chosen]
    return told


def _ours(base: Base, told: Mapping[str, Any], seed: int, rate: float) -> dict[str, Any]:
    """Our classifier as it ships, at this rate."""
    tokens = float(np.mean([len(row["ids"]) for row in told["learn"]]))
    settings = {"epochs": EPOCHS, "batch_tokens": round(TOGETHER * tokens), "learning_rate": rate, "seed": seed}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learn, validate = (
            labelled_rows([(row["ids"], row["label"]) for row in told[part]]) for part in ("learn", "validate")
        )
        dataset = write_dataset(
            folder / "dataset", learn, base=base, objective="classify", labels=told["labels"], validation=validate
        )
        model = train(dataset, base=base, config=TrainConfig.model_validate(settings), out=folder / "run" / "model")
        engine = load_engine(base, tuned=model)
        found = {
            part: np.log(engine.classify([row["ids"] for row in told[part]]).clip(1e-30)).tolist()
            for part in ("validate", "ask")
        }
        return {**found, "story": model.manifest.facts["story"], "scale": model.manifest.facts["scale"]["factor"]}


def _theirs(base: Base, file: Path, seed: int, rate: float) -> dict[str, Any]:
    """The Trainer's."""
    python = peer_python("encoders", requirements=PEERS)
    last = run_peer(python, "_hf_classify.py", file, base.folder, seed, rate, EPOCHS, TOGETHER)
    found: dict[str, Any] = json.loads(last)
    return found
