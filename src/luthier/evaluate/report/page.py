"""report.html: one file that a person can read without us, made from the evidence and the answers alone."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from luthier.evaluate.report import sections, words
from luthier.evaluate.report.evidence import Observed

KINDS = {"SHIP": "ship", "DON'T SHIP": "dont", "INCONCLUSIVE": "inconclusive"}
STATES = {"passed": "passed", "RETAINED": "passed", "CLEAN": "passed", "NOT ASKED": "passed"}
FAILED = {"failed", "FORGOT", "DIRTY"}


def render_page(record: Mapping[str, Any], observed: Observed, *, curve: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The page as UTF-8; the same record, answers and curve give the same bytes."""
    style = _text("page.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shown = [sections.gain(record), sections.power(record), sections.retention(record), sections.training(curve)]
    page = environment.from_string(_text("page.html.jinja").replace("/*style*/", style)).render(
        policy=_policy(style),
        verdict=_verdict(record),
        sections=[section for section in shown if section is not None],
        slices=sections.slices(record, observed),
        answers=sections.answers(record, observed),
        facts=sections.facts(record),
    )
    return page.encode() + b"\n"


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


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _text(name: str) -> str:
    return files("luthier.evaluate.report").joinpath(name).read_text(encoding="utf-8")
