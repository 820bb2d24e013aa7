"""The demo's report in a real browser: axe-core, requests, size, width, and the same bytes again.

The page is opened at the width of a desk and of a phone, light and dark; axe-core (from npm, in a folder of its own)
looks for what keeps people from reading it; every request is counted; then the page is made again from the run
alone. Needs Chromium, npm and the developer's playwright.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, finished_run, quick_run

from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir, ReportDir
from luthier.artifacts.rows import read_items
from luthier.artifacts.tables import read_table
from luthier.config import cache_home
from luthier.evaluate.arms import Arm
from luthier.evaluate.report.evidence import Observed, read_evidence
from luthier.evaluate.report.learnt import read_learnt
from luthier.evaluate.report.page import render_page

AXE = "4.14.1"
BYTES = 3 * 2**20
VIEWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
SERIOUS = {"serious", "critical"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def measure(asked: Asked) -> Outcome:
    """The bar of the report's page; the quick form looks at a short run."""
    run = quick_run() if asked.quick else finished_run(DEMO)
    page = run / "report" / "report.html"
    axe = (_axe() / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    found = [_look(page, axe, width=width, scheme=scheme) for width, scheme in VIEWS]
    serious = [each for view in found for each in view["findings"] if each["impact"] in SERIOUS]
    lesser = [each for view in found for each in view["findings"] if each["impact"] not in SERIOUS]
    for each in (*serious, *lesser):
        say(f"{each['impact']}: {each['id']} at {each['where']}")
    requests = sum(view["requests"] for view in found)
    too_wide = [view["width"] for view in found if view["across"] > view["width"]]
    began = time.perf_counter()
    same = [_again(run) == page.read_bytes() for _ in range(2)]
    seconds = (time.perf_counter() - began) / 2
    size = page.stat().st_size
    say(f"{size:,} bytes, {requests} requests, {len(serious)} serious and {len(lesser)} lesser findings, again: {same}")
    return Outcome(
        holds=not serious and not requests and not too_wide and size <= BYTES and all(same),
        value={"serious": len(serious), "requests": requests, "bytes": size, "same_bytes": all(same)},
        bar="0 serious axe findings, 0 requests, <= 3 MB, same bytes again, no wider than the screen",
        detail={
            "lesser": lesser,
            "rules_passed": min(view["passed"] for view in found),
            "views": VIEWS,
            "too_wide": too_wide,
            "seconds_to_make": round(seconds, 3),
        },
        versions={"axe-core": AXE},
    )


def _axe() -> Path:
    """Folder with axe-core, installed once."""
    home = cache_home() / "peers" / f"axe-core-{AXE}"
    if not (home / "node_modules" / "axe-core" / "axe.min.js").is_file():
        home.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--prefix", str(home), "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*install, f"axe-core@{AXE}"], check=True, capture_output=True)
    return home


def _look(path: Path, axe: str, *, width: int, scheme: Any) -> dict[str, Any]:
    """What axe-core finds in one view of the page, and what the page asked for by itself."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
        )
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        across = page.evaluate("document.documentElement.scrollWidth")
        page.evaluate(axe)
        told = json.loads(page.evaluate("axe.run(document).then(found => JSON.stringify(found))"))
        browser.close()
    findings = [
        {"id": each["id"], "impact": each["impact"], "where": each["nodes"][0]["target"], "view": [width, scheme]}
        for each in told["violations"]
    ]
    requests = len([address for address in asked if address != path.as_uri()])
    return {
        "findings": findings,
        "passed": len(told["passes"]),
        "requests": requests,
        "across": across,
        "width": width,
    }


def _again(run: Path) -> bytes:
    """The page, made once more from the files of the run."""
    report = ReportDir.open(run / ReportDir.kind)
    record = read_evidence(report.file("evidence.json"))
    rows = read_table(report.file("answers.parquet"))
    arms = {name: _arm(name, scores, rows) for name, scores in record["scores"].items()}
    items = read_items(ExamDir.open(run / ExamDir.kind).file("items.parquet"))
    labels = DatasetDir.open(run / DatasetDir.kind).manifest.facts.get("labels") or ()
    observed = Observed(items, arms.pop("base"), arms.pop("tuned"), labels, {}, arms)
    faced = observed.facing(record["plan"]["against"])
    return render_page(record, faced, learnt=read_learnt(ModelDir.open(run / ModelDir.kind)))


def _arm(name: str, scores: dict[str, list[float]], rows: list[dict[str, Any]]) -> Arm:
    own = [row for row in rows if row["arm"] == name]
    return Arm(tuple(row["text"] for row in own), tuple(row["ended"] for row in own), scores)


if __name__ == "__main__":
    run_bench("evidence.page", measure, about=__doc__)
