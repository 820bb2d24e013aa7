"""report.html: one file that a person can read without us, made from the evidence and the answers alone."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from luthier.artifacts.page import render
from luthier.evaluate.report import words
from luthier.evaluate.report.advisory import advisory
from luthier.evaluate.report.answerable import answerable
from luthier.evaluate.report.answers import answers
from luthier.evaluate.report.conditions import conditions, reason_kinds
from luthier.evaluate.report.costs import costs
from luthier.evaluate.report.evidence import Observed
from luthier.evaluate.report.facts import facts
from luthier.evaluate.report.fit import fit
from luthier.evaluate.report.further import further
from luthier.evaluate.report.gain import gain, power
from luthier.evaluate.report.learnt import Learnt, training
from luthier.evaluate.report.retention import retention
from luthier.evaluate.report.rivals import rivals
from luthier.evaluate.report.slices import slices

KINDS = {"SHIP": "ship", "DON'T SHIP": "dont", "INCONCLUSIVE": "inconclusive"}
TEMPLATE = "page.html.jinja"


def render_page(
    record: Mapping[str, Any], observed: Observed, *, learnt: Learnt | None = None, texts: bool = True
) -> bytes:
    """The page as UTF-8; the same record, answers and training give the same bytes.

    Without `texts` nothing of a question, an answer or a label is shown: items by their ids, slices by their numbers.
    """
    shown = [
        gain(record),
        power(record),
        further(record),
        rivals(record),
        answerable(record),
        conditions(record),
        retention(record),
        fit(record),
        training(learnt or Learnt()),
        costs(record),
        slices(record, observed, texts=texts),
        answers(record, observed, texts=texts),
        advisory(record),
        facts(record),
    ]
    return render(
        files("luthier.evaluate.report").joinpath(TEMPLATE).read_text(encoding="utf-8"),
        verdict=_verdict(record),
        sections=[section for section in shown if section is not None],
        terms=words.TERMS,
        alpha=f"{record['look']['alpha']:.2g}",
    )


def _verdict(record: Mapping[str, Any]) -> dict[str, Any]:
    verdict, plan = record["verdict"], record["plan"]
    kinds = reason_kinds(record)
    reasons = [(kinds[reason], words.tied(reason)) for reason in verdict["reasons"]]
    return {
        "word": verdict["verdict"],
        "kind": KINDS[verdict["verdict"]],
        "about": f"{record['models']['base']['name']}, {plan['objective']}, look {record['look']['number']}",
        "plain": words.PLAIN[verdict["verdict"]],
        "lead": words.tied(words.lead(record)),
        "advice": verdict.get("advice", []),
        "reasons": [*reasons, *(("warned", caveat) for caveat in verdict["caveats"])],
        "remedy": verdict["remedy"],
    }
