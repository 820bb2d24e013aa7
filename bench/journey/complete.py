"""The PostgreSQL manual, read whole: do documents that were never read cost the tuned model fewer bits per byte?

100 HTML pages of the manual, and a PDF, a DOCX and an XLSX made from some of them, from files to evidence.
"""

import tempfile
from pathlib import Path

from bench.record import ROOT, Asked, Outcome, run_bench, say
from bench.runs import Child, evidence_of, run_words, warm

from luthier.artifacts.folders import CorpusDir, DatasetDir
from luthier.evaluate.metrics.units import fewer
from luthier.evaluate.verify import verify

PROJECT = ROOT / "examples" / "postgres-docs" / "luthier.yaml"


def measure(asked: Asked) -> Outcome:
    """One run from files to verdict; the quick form trains for a few steps only."""
    warm("smollm2-135m")
    settings = [f"train.seed={asked.seed}", *(["train.epochs=0.05"] if asked.quick else [])]
    with tempfile.TemporaryDirectory() as folder:
        ended = Child(*run_words(PROJECT, out=Path(folder), settings=settings)).wait()
        run = Path(ended.result()["run"])
        record = evidence_of(run)
        problems = verify(run)
        read, made = (kind.open(run / kind.kind).manifest.counts for kind in (CorpusDir, DatasetDir))
    figures = record["figures"]
    gain = figures["gain"]
    value = {
        "seconds": round(ended.seconds, 1),
        "gb": round(ended.peak_bytes / 1e9, 2),
        "verdict": record["verdict"]["verdict"],
        "base": round(figures["base"]["value"], 4),
        "tuned": round(figures["tuned"]["value"], 4),
        "percent_fewer": [round(fewer(gain[name]), 2) for name in ("value", "low", "high")],
        "items": gain["n"],
        "documents": gain["documents"],
    }
    say(f"{value}")
    return Outcome(
        holds=value["percent_fewer"][1] > 0 and not problems,
        value=value,
        bar="bits per byte of held-out documents fall: lower bound of the fall > 0; evidence verified",
        detail={
            "corpus": read,
            "dataset": made,
            "reasons": record["verdict"]["reasons"],
            "retention": figures.get("retention"),
            "problems": problems,
        },
    )


if __name__ == "__main__":
    run_bench("journey.complete", measure, about=__doc__)
