"""The encoder example against TF-IDF with logistic regression: same training rows, same exam, same macro-F1.

The peer sees word 1- and 2-grams and character 2- to 5-grams; its strength C is chosen on the same validation rows.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import CLASSIFY, evidence_of, finished_run, luthier, run_words, warm

from luthier.artifacts.folders import CorpusDir, DatasetDir, ExamDir
from luthier.artifacts.rows import read_examples, read_items
from luthier.artifacts.tables import read_table
from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.statistics.clustered import FloatArray, IntArray
from luthier.evaluate.statistics.jackknife import jackknife_gain, jackknife_score
from luthier.objectives import objective
from luthier.prepare.candidate import candidate, turns_of
from luthier.prepare.clean.repair import repair
from luthier.prepare.convert import Common, convert

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True, slots=True)
class Told:
    """Texts and their labels."""

    texts: list[str]
    labels: list[str]


def measure(asked: Asked) -> Outcome:
    """Bar 3; the quick form trains the encoder for two epochs only."""
    warm("minilm-l6")
    with tempfile.TemporaryDirectory() as folder:
        run = _run(Path(folder), asked)
        record = evidence_of(run)
        train, validation, exam = (_told(run, part) for part in ("train", "validation", "exam"))
        documents = [item.document for item in read_items(ExamDir.open(run / ExamDir.kind).file("items.parquet"))]
    say(f"TF-IDF + logistic regression: {len(train.texts)} rows, {len(exam.texts)} exam items")
    strength, predicted = tfidf(train, validation, exam.texts)
    tuned = record["figures"]["tuned"]
    found = _compare(record, exam, documents, predicted)
    say(f"tuned encoder {tuned['value']:.4f} ({tuned['low']:.4f} to {tuned['high']:.4f})")
    say(f"TF-IDF {found['tfidf']['value']:.4f} at C = {strength:g}; tuned - TF-IDF {found['difference']}")
    return Outcome(
        holds=tuned["value"] >= found["tfidf"]["value"],
        value={name: round(tuned[name], 4) for name in ("value", "low", "high")},
        bar="macro-F1 >= that of TF-IDF + logistic regression on the same rows",
        peer={name: round(found["tfidf"][name], 4) for name in ("value", "low", "high")},
        detail={
            **found,
            "strength": strength,
            "verdict": record["verdict"]["verdict"],
            "probe": record["figures"]["base"],
        },
    )


def tfidf(train: Told, validation: Told, asked: Sequence[str]) -> tuple[float, list[str]]:
    """Fit on `train`, choose C by macro-F1 on `validation`; returns C and the labels of `asked`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_union

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    seen, held, exam = (
        features.fit_transform(train.texts),
        features.transform(validation.texts),
        features.transform(asked),
    )
    best: tuple[float, float, Any] = (-1.0, 0.0, None)
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=2000).fit(seen, train.labels)
        score = float(f1_score(validation.labels, model.predict(held), average="macro", zero_division=0.0))
        if score > best[0]:
            best = (score, strength, model)
    return best[1], [str(label) for label in best[2].predict(exam)]


def _run(folder: Path, asked: Asked) -> Path:
    if asked.quick:
        words = run_words(CLASSIFY, out=folder, settings=["train.epochs=2.0", f"train.seed={asked.seed}"])
        return Path(str(luthier(*words).result()["run"]))
    if asked.seed:
        words = run_words(CLASSIFY, out=folder, settings=[f"train.seed={asked.seed}"])
        return Path(str(luthier(*words).result()["run"]))
    return finished_run(CLASSIFY)


def _told(run: Path, part: str) -> Told:
    """What a part asks and answers, as prepare read it: rows are found by their ids in splits.parquet."""
    if part == "exam":
        items = read_items(ExamDir.open(run / ExamDir.kind).file("items.parquet"))
        return Told([item.messages[0].content for item in items], [item.golds[0] for item in items])
    examples = list(read_examples(CorpusDir.open(run / CorpusDir.kind).file("examples.parquet")))
    found = (convert(example, objective("classify"), common=Common()) for example in examples)
    usable = (candidate(repair(example)[0]) for example in found if not isinstance(example, str))
    known = {one.id: turns_of(one.example) for one in usable}
    splits = read_table(DatasetDir.open(run / DatasetDir.kind).file("splits.parquet"))
    rows = [known[row["id"]] for row in splits if row["part"] == part]
    return Told([turns[-2].content for turns in rows], [turns[-1].content for turns in rows])


def _compare(record: dict[str, Any], exam: Told, documents: list[str], predicted: list[str]) -> dict[str, Any]:
    """Macro-F1 of both over the labels that are gold in at least 3 documents, and the difference with its bounds."""
    counts, alpha = record["counts"]["labels"], record["look"]["alpha"]
    size = counts["labels"]
    gold_N = np.array(counts["gold"], dtype=np.int64)
    names = {label: place for label, place in zip(exam.labels, counts["gold"], strict=True)}
    # A label that no exam item has can only be wrong, whichever number it gets; it may not take a scored one's.
    free = next(iter(set(range(size)) - set(names.values())), size)
    predicted_N = np.array([names.get(label, free) for label in predicted], dtype=np.int64)
    _, document_N = np.unique(np.array(documents), return_inverse=True)
    labels = size + 1

    def counted(answers_N: IntArray) -> FloatArray:
        return label_counts(gold_N, answers_N, document_N=document_N, labels=labels)

    metric = macro_f1(scored_labels(gold_N, document_N, labels=labels), labels=labels)
    tuned_GV, tfidf_GV = counted(np.array(counts["tuned"], dtype=np.int64)), counted(predicted_N)
    scores = {
        "tuned": jackknife_score(tuned_GV, metric, alpha=alpha),
        "tfidf": jackknife_score(tfidf_GV, metric, alpha=alpha),
    }
    assert abs(scores["tuned"].value - record["figures"]["tuned"]["value"]) < 1e-12, (
        "another macro-F1 than the evidence"
    )
    difference = jackknife_gain(tuned_GV, tfidf_GV, metric, alpha=alpha)
    found = {**scores, "difference": difference}
    return {key: {"value": each.value, "low": each.low, "high": each.high} for key, each in found.items()}


if __name__ == "__main__":
    run_bench("journey.encoder", measure, about=__doc__)
