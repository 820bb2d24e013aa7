"""Does an encoder that first learnt to fill in hidden words of the manual classify its paragraphs better?

MiniLM learns to fill in words of the pages of the PostgreSQL manual, and is then the base of a classifier that tells
from one paragraph what part of the manual it is from; MiniLM as it is is the base of the other. Same rows, same exam of
whole pages that neither classifier was trained on (their raw text was among the pages to fill in, as a customer's is).
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench.record import ROOT, Asked, Outcome, run_bench, say
from bench.runs import evidence_of, luthier, run_words, warm

from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir
from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.statistics.jackknife import jackknife_gain, jackknife_score

PROJECT = ROOT / "examples" / "postgres-docs" / "fill.yaml"
PARTS = {"sql": "commands", "view": "catalogues", "catalog": "catalogues", "infoschema": "catalogues"}
"""Beginning of a page's name -> part of the manual; all others are one part."""
SHORTEST, LONGEST = 120, 600
"""Characters of a paragraph."""
MOST = 12
"""Paragraphs of a page."""
CLASSIFY = """\
name: parts
objective: classify
base: {base}
collect:
  sources: [rows.jsonl]
prepare:
  split:
    group_by: page
    exam: 0.4
    items_per_group: {most}
train:
  seed: {seed}
"""


def measure(asked: Asked) -> Outcome:
    """Fill in, then classify with both bases; the quick form trains each for a moment."""
    warm("minilm-l6")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = ["train.epochs=0.05"] if asked.quick else []
        filled = _run(PROJECT, folder / "fill", [f"train.seed={asked.seed}", *short])
        bits = evidence_of(filled)["figures"]
        rows = _rows(filled)
        say(f"{len(rows)} paragraphs of {len({row['page'] for row in rows})} pages")
        records = {}
        for arm, base in (("filled", str(filled / "model")), ("alone", "minilm-l6")):
            project = folder / arm
            project.mkdir()
            (project / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
            settings = CLASSIFY.format(base=base, most=MOST, seed=asked.seed)
            (project / "luthier.yaml").write_text(settings, encoding="utf-8")
            records[arm] = evidence_of(_run(project / "luthier.yaml", folder / f"{arm}-runs", short))
    return _outcome(records["filled"], records["alone"], {arm: bits[arm]["value"] for arm in ("base", "tuned")})


def _run(project: Path, out: Path, settings: list[str]) -> Path:
    return Path(str(luthier(*run_words(project, out=out, settings=settings)).result()["run"]))


def _rows(run: Path) -> list[dict[str, str]]:
    """Paragraphs of every page, evenly spread, with the part that the page is from."""
    rows = []
    for document in read_documents(CorpusDir.open(run / CorpusDir.kind).file("documents.parquet")):
        page = Path(document.file).stem
        parts = [part.strip() for part in document.text.split("\n\n")]
        usable = [part for part in parts if SHORTEST <= len(part) <= LONGEST]
        chosen = usable[:: max(1, len(usable) // MOST)][:MOST]
        label = PARTS.get(page.partition("-")[0], "chapters")
        rows += [{"text": text, "label": label, "page": page} for text in chosen]
    return rows


def _outcome(filled: dict[str, Any], alone: dict[str, Any], bits: dict[str, float]) -> Outcome:
    one, other = filled["counts"]["labels"], alone["counts"]["labels"]
    assert filled["items"]["id"] == alone["items"]["id"], "two exams"
    labels, alpha = one["labels"], 0.025
    gold_N = np.array(one["gold"], dtype=np.int64)
    _, document_N = np.unique(np.array(filled["items"]["document"]), return_inverse=True)
    metric = macro_f1(scored_labels(gold_N, document_N, labels=labels), labels=labels)
    first, second = (
        label_counts(gold_N, np.array(each["tuned"], dtype=np.int64), document_N=document_N, labels=labels)
        for each in (one, other)
    )
    gain = jackknife_gain(first, second, metric, alpha=alpha)
    arms = {"filled": first, "alone": second}
    scores = {arm: jackknife_score(each, metric, alpha=alpha).value for arm, each in arms.items()}
    helps = "helps" if gain.low > 0 else "hurts" if gain.high < 0 else "not shown to help or hurt"
    value = {"gain": [round(each, 4) for each in (gain.value, gain.low, gain.high)], "first filling in": helps}
    value |= {arm: round(score, 4) for arm, score in scores.items()}
    say(f"{value}; bits per hidden token {bits}")
    return Outcome(
        holds=bits["tuned"] < bits["base"],
        value=value,
        bar="macro-F1 with and without filling in first, with a 95 % interval; hidden words cost fewer bits",
        detail={"bits_per_token": bits, "items": len(gold_N), "documents": int(document_N.max()) + 1},
    )


if __name__ == "__main__":
    run_bench("objectives.mlm", measure, about=__doc__)
