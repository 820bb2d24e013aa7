"""report.html: one file that a person can read without us, made from the evidence and the answers alone."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from luthier.artifacts.page import render
from luthier.evaluate.report import sections, words
from luthier.evaluate.report.evidence import Observed
from luthier.evaluate.report.learnt import Learnt, training

KINDS = {"SHIP": "ship", "DON'T SHIP": "dont", "INCONCLUSIVE": "inconclusive"}
STATES = {"passed": "passed", "RETAINED": "passed", "CLEAN": "passed", "NOT ASKED": "passed"}
FAILED = {"failed", "FORGOT", "DIRTY"}


def render_page(record: Mapping[str, Any], observed: Observed, *, learnt: Learnt | None = None) -> bytes:
    """The page as UTF-8; the same record, answers and training give the same bytes."""
    shown = [sections.gain(record), sections.power(record), sections.retention(record), training(learnt or Learnt())]
    return render(
        files("luthier.evaluate.report").joinpath("page.html.jinja").read_text(encoding="utf-8"),
        verdict=_verdict(record),
        sections=[section for section in shown if section is not None],
        slices=sections.slices(record, observed),
        sliced=sections.SLICED[sections.sliced_by(record)],
        answers=sections.answers(record, observed),
        facts=sections.facts(record),
    )


def _verdict(record: Mapping[str, Any]) -> dict[str, Any]:
    verdict, plan = record["verdict"], record["plan"]
    states = {reason: gate["state"] for gate in record["gates"].values() for reason in gate["reasons"]}
    reasons = [(_kind(states[reason]), words.tied(reason)) for reason in verdict["reasons"]]
    return {
        "word": verdict["verdict"],
        "kind": KINDS[verdict["verdict"]],
        "about": f"{record['models']['base']['name']}, {plan['objective']}, look {record['look']['number']}",
        "lead": words.tied(words.lead(record)),
        "reasons": [*reasons, *(("warned", caveat) for caveat in verdict["caveats"])],
        "remedy": verdict["remedy"],
        "short": words.SHORT[plan["against"]],
        "alpha": f"{record['look']['alpha']:.2g}",
    }


def _kind(state: str) -> str:
    return "failed" if state in FAILED else STATES.get(state, "open")
