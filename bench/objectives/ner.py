"""Entities in loan agreements never trained on: our tagger as it ships against the `transformers` Trainer.

Finance NER (Salinas Alvarado et al. 2015, CC BY 3.0), all-MiniLM-L6-v2. The first three agreements are learnt from, the
others are the exam; passages of ten sentences are what intervals are about. Everybody reads the same tokens and learns
the same labels of first sub-words, equally often. Ours takes its settings from `auto`, keeps a tenth of the passages
for validation and stops by it; the Trainer learns from these too, with the first seed at three learning rates, with the
others at the one that was best on the exam. Entity span F1 over three seeds, each seed's counts added up, and their
paired difference by jack-knife. Finished trainings are kept in `bench/runs/ner`: run again to go on.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.kept import digest_of, kept
from bench.peers import peer_python
from bench.record import ROOT, Asked, Outcome, run_bench, say

from luthier.evaluate.metrics.spans import span_counts, span_f1, types_of
from luthier.evaluate.statistics.clustered import FloatArray, Gain
from luthier.evaluate.statistics.jackknife import jackknife_gain, jackknife_score
from luthier.models.bases import resolve_base
from luthier.models.chat import Wording, load_wording
from luthier.models.spans import bio_of, entities_in, label_list
from luthier.records import Entity

BASE = "minilm-l6"
DATA = ROOT / "examples" / "finance-ner" / "data" / "loan_agreements.jsonl"
LEARNT = {"loan 1", "loan 2", "loan 3"}
RATES = ("3e-05", "1e-04", "3e-04")
SEEDS = 3
ALPHA = 0.025
EVERY = 10
"""Of the passages that are learnt from, every tenth is for validation."""
PEERS = (
    "transformers==5.23.0",
    "torch==2.13.0",
    "peft==0.21.2",
    "accelerate==1.15.0",
    "datasets==5.2.0",
    "sentence-transformers==6.2.0",
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as everybody reads it."""

    passage: str
    ids: tuple[int, ...]
    first: tuple[bool, ...]
    words: tuple[tuple[int, int], ...]
    labels: tuple[int, ...]


def measure(asked: Asked) -> Outcome:
    """All seeds and rates; the quick form is one seed of ours for a tenth of an epoch, and nobody else."""
    labels, parts = sentences(load_wording(resolve_base(BASE, relative_to=Path()).folder))
    say(", ".join(f"{len(rows)} sentences to {name}" for name, rows in parts.items()))
    seeds = [asked.seed] if asked.quick else [asked.seed + place for place in range(SEEDS)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        content = {name: [asdict(row) for row in rows] for name, rows in parts.items()}
        file.write_text(json.dumps({"labels": labels, **content}), encoding="utf-8")
        ours = [_run(_ours(file, seed, quick=asked.quick), seed, "ours", file) for seed in seeds]
        epochs = ours[0]["epochs"]
        theirs: dict[str, list[dict[str, Any]]] = {}
        for rate in () if asked.quick else RATES:
            theirs[rate] = [_run(_theirs(file, seeds[0], rate, epochs), seeds[0], f"Trainer at {rate}", file)]
        best = max(theirs, key=lambda rate: _f1(theirs[rate], parts["ask"], labels), default="")
        for seed in seeds[1:]:
            theirs[best].append(_run(_theirs(file, seed, best, epochs), seed, f"Trainer at {best}", file))
    exam, types = parts["ask"], types_of(labels)
    compared = {"ours": ours} if asked.quick else {"ours": ours, best: theirs[best]}
    counts = {name: _counts(runs, exam, labels) for name, runs in compared.items()}
    metric = span_f1(types=len(types))
    scores = {name: jackknife_score(each, metric, alpha=ALPHA) for name, each in counts.items()}
    for name, score in scores.items():
        say(f"{name}: entity F1 {_words(score)}")
    if asked.quick:
        return Outcome(holds=True, value=round(scores["ours"].value, 3), bar="a few steps", detail=_detail(ours, {}))
    gain = jackknife_gain(counts["ours"], counts[best], metric, alpha=ALPHA)
    say(f"ours minus the Trainer's best, at {best}: {_words(gain)}")
    return Outcome(
        holds=gain.value >= 0,
        value={"entity_f1": round(scores["ours"].value, 4), "gain": [gain.value, gain.low, gain.high]},
        bar="entity F1 >= the Trainer's at its best of 3 learning rates",
        peer={best: round(scores[best].value, 4)},
        detail={
            "first seed": {rate: _f1(runs[:1], exam, labels) for rate, runs in {"ours": ours, **theirs}.items()},
            "scores": {name: [score.value, score.low, score.high] for name, score in scores.items()},
            "by_type": {kind: _of_type(counts, at, types=len(types)) for at, kind in enumerate(types)},
            **_detail(ours, theirs),
        },
        versions=theirs[best][0]["versions"],
    )


def sentences(wording: Wording) -> tuple[list[str], dict[str, list[Sentence]]]:
    """BIO labels, and the sentences to learn, to validate with and to ask."""
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    labels = label_list(each["label"] for row in rows for each in row["entities"])
    parts: dict[str, list[Sentence]] = {"learn": [], "validate": [], "ask": []}
    learnt = sorted({row["passage"] for row in rows if row["agreement"] in LEARNT})
    validating = set(learnt[EVERY // 2 :: EVERY])
    for row in rows:
        worded = wording.word_ids(row["text"])
        entities = [Entity(each["start"], each["end"], each["label"]) for each in row["entities"]]
        places = tuple(labels.index(label) for label in bio_of(entities, worded.words))
        part = "ask" if row["agreement"] not in LEARNT else "validate" if row["passage"] in validating else "learn"
        parts[part].append(Sentence(row["passage"], worded.ids, worded.first, worded.words, places))
    return labels, parts


def _ours(file: Path, seed: int, *, quick: bool) -> list[str]:
    settings = {"epochs": 0.1} if quick else {}
    return [sys.executable, "-m", "bench.objectives._ner_ours", str(file), str(seed), json.dumps(settings)]


def _theirs(file: Path, seed: int, rate: str, epochs: float) -> list[str]:
    python = peer_python("encoders", requirements=PEERS)
    base = resolve_base(BASE, relative_to=Path()).folder
    script = ROOT / "bench" / "objectives" / "_hf_tag.py"
    return [str(python), str(script), str(file), str(base), str(seed), rate, str(epochs)]


def _run(words: list[str], seed: int, name: str, file: Path) -> dict[str, Any]:
    def run() -> dict[str, Any]:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer

    told = {"who": name, "seed": seed, "last": words[-1], "rows": digest_of(file)}
    found = kept("ner", told, run, ours=name == "ours")
    say(f"    {name}, seed {seed}: {found['seconds']:.0f} s")
    return found


def _counts(runs: Sequence[dict[str, Any]], exam: Sequence[Sentence], labels: Sequence[str]) -> FloatArray:
    """True, false and missed entities of each passage, over all seeds: [G, 3 C]."""
    types = types_of(labels)
    passages = sorted({row.passage for row in exam})
    counts = np.zeros((len(passages), 3 * len(types)))
    for run in runs:
        for row, named in zip(exam, run["labels"], strict=True):
            sides = [entities_in([labels[place] for place in side], row.words) for side in (row.labels, named)]
            counts[passages.index(row.passage)] += span_counts(*sides, types=types)
    return counts


def _f1(runs: Sequence[dict[str, Any]], exam: Sequence[Sentence], labels: Sequence[str]) -> float:
    return float(span_f1(types=len(types_of(labels)))(_counts(runs, exam, labels).sum(axis=0)))


def _of_type(counts: dict[str, FloatArray], kind: int, *, types: int) -> dict[str, float]:
    metric = span_f1(types=types, only=kind)
    return {name: float(metric(each.sum(axis=0))) for name, each in counts.items()}


def _detail(ours: Sequence[dict[str, Any]], theirs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    kept = ("seconds", "epochs", "choices", "story")
    return {
        "ours": [{name: run[name] for name in kept} for run in ours],
        "trainer_seconds": {rate: [run["seconds"] for run in runs] for rate, runs in theirs.items()},
    }


def _words(gain: Gain) -> str:
    return f"{gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f})"


if __name__ == "__main__":
    run_bench("objectives.ner", measure, about=__doc__)
