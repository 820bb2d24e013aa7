"""The main job, timed: `luthier run` on the medical coding example, fresh run folder, model already fetched.

Bars 1 and 2: at most 10 minutes and 3 GB on two cores, and an honest SHIP on categories that were never trained on.
"""

import shutil
from pathlib import Path
from typing import Any

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, EXAMPLE, WORKSHOP, Child, evidence_of, run_words, short, warm

from luthier.evaluate.verify import verify

SECONDS, BYTES = 600, 3e9
LOW, ITEMS, DOCUMENTS = 0.40, 200, 100
BAR = (
    f"<= {SECONDS} s, <= {BYTES / 1e9:.0f} GB, SHIP, lower bound of the gain >= {LOW}, >= {ITEMS} items from "
    f">= {DOCUMENTS} documents, retention measured, evidence verified"
)


def measure(asked: Asked) -> Outcome:
    """One run from files to verdict; the quick form trains for a few steps only."""
    warm("smollm2-135m")
    settings = [f"train.seed={asked.seed}", *(short(epochs=0.05) if asked.quick else [])]
    # The whole form stays where `make demo` puts it: the other benches ask that run.
    out = WORKSHOP / "fresh" if asked.quick else EXAMPLE / "runs"
    shutil.rmtree(out / "medical-coding", ignore_errors=True)
    ended = Child(*run_words(DEMO, out=out, settings=settings)).wait()
    run = Path(ended.result()["run"])
    record = evidence_of(run)
    problems = verify(run)
    value = {"seconds": round(ended.seconds, 1), "gb": round(ended.peak_bytes / 1e9, 2), **_found(record)}
    say(f"{value}")
    return Outcome(
        holds=_holds(value) and not problems,
        value=value,
        bar=BAR,
        detail={"reasons": record["verdict"]["reasons"], "problems": problems, "told": ended.told.splitlines()[-40:]},
    )


def _found(record: dict[str, Any]) -> dict[str, Any]:
    gain, retention = record["figures"]["gain"], record["figures"].get("retention", {})
    return {
        "verdict": record["verdict"]["verdict"],
        "gain": [gain["value"], gain["low"], gain["high"]],
        "base": record["figures"]["base"]["value"],
        "tuned": record["figures"]["tuned"]["value"],
        "items": gain["n"],
        "documents": gain["documents"],
        "retained": record["gates"]["retained"]["state"],
        "retention": retention.get("value"),
    }


def _holds(value: dict[str, Any]) -> bool:
    return (
        value["seconds"] <= SECONDS
        and value["gb"] <= BYTES / 1e9
        and value["verdict"] == "SHIP"
        and (value["gain"][1] or 0) >= LOW
        and value["items"] >= ITEMS
        and value["documents"] >= DOCUMENTS
        and value["retention"] is not None
    )


if __name__ == "__main__":
    run_bench("journey.demo", measure, about=__doc__)
