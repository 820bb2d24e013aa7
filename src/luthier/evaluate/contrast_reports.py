"""Two finished reports side by side, and what is known about the difference between their tuned models.

Where both sat the same sealed exam, the tuned models are paired item by item; where they did not, one gain is set
against the other. Neither is a verdict: no plan named the pair.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import ReportDir
from luthier.errors import UserError
from luthier.evaluate.compare import Figure, honest_se
from luthier.evaluate.decide import measure
from luthier.evaluate.report.evidence import EVIDENCE, read_evidence
from luthier.evaluate.statistics.clustered import Gain
from luthier.evaluate.statistics.contrast import contrast_between

Kind = Literal["paired", "independent"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """The second tuned model minus the first, with bounds of one-sided alpha each."""

    kind: Kind
    """paired: the same items; independent: the difference of two gains on different exams."""
    figure: Figure
    alpha: float


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two evidence records, and the contrast between them, or why there is none."""

    first: Mapping[str, Any]
    second: Mapping[str, Any]
    contrast: Contrast | None
    why_not: str = ""


def contrast_reports(first: Path, second: Path) -> SideBySide:
    """Set two run folders, report folders or evidence files side by side.

    Raises NotFoundError if one has no report, UserError if one is no evidence or was edited.
    """
    records = _read(first), _read(second)
    why_not = _hindrance(*records)
    if why_not:
        return SideBySide(*records, contrast=None, why_not=why_not)
    alpha = min(record["look"]["alpha"] for record in records)
    is_paired = records[0]["exam"]["root"] == records[1]["exam"]["root"]
    figure = _paired(*records, alpha=alpha) if is_paired else _independent(*records, alpha=alpha)
    if figure is None or figure["low"] is None:
        return SideBySide(*records, contrast=None, why_not="Too few documents differ to bound the difference.")
    return SideBySide(*records, contrast=Contrast("paired" if is_paired else "independent", figure, alpha))


def _read(path: Path) -> dict[str, Any]:
    folder = path / ReportDir.kind if (path / ReportDir.kind).is_dir() else path
    file = folder / EVIDENCE if folder.is_dir() else folder
    record = read_evidence(file)
    if record.get("sha256") != sha256_of({key: value for key, value in record.items() if key != "sha256"}):
        raise UserError(f"{file}: was edited after it was written. `luthier verify` says where.")
    return record


def _hindrance(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Why these two cannot be set against each other; empty if they can."""
    plans = first["plan"], second["plan"]
    same_exam = first["exam"]["root"] == second["exam"]["root"]
    if first["sha256"] == second["sha256"]:
        return "They are one and the same report."
    if plans[0]["primary"] != plans[1]["primary"]:
        return f"They are judged by different metrics: {plans[0]['primary']} and {plans[1]['primary']}."
    if plans[0]["claim"] != plans[1]["claim"]:
        return f"They make different claims, {plans[0]['claim']} and {plans[1]['claim']}, which are never pooled."
    if any("gain" not in record["figures"] for record in (first, second)):
        return "One of the exams is too small to measure a gain."
    if same_exam and not _same_questions(first, second):
        return "They name the same exam, and yet do not hold the same items or labels: verify both."
    bases = [(record["models"]["base"]["digest"], record["plan"]["against"]) for record in (first, second)]
    if not same_exam and bases[0] != bases[1]:
        return (
            "They sat different exams, and their gains are over different things: neither the items nor the bases are "
            "shared. Let both models sit one exam."
        )
    return ""


def _same_questions(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Items in the same order with the same gold labels: whatever is not an arm's is equal."""
    return first["items"]["id"] == second["items"]["id"] and _golds(first) == _golds(second)


def _golds(record: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    counts, arms = record["counts"], record["scores"].keys()
    return {(kind, name): counts[kind][name] for kind in counts for name in counts[kind].keys() - arms}


def _paired(first: Mapping[str, Any], second: Mapping[str, Any], *, alpha: float) -> Figure | None:
    """The gain of the second tuned model with the first in the place of the base, by the formulas of every verdict."""
    joined = {
        **first,
        "plan": {**first["plan"], "against": "base", "retention_margin": None},
        "look": {**first["look"], "alpha": alpha},
        "scores": {"base": first["scores"]["tuned"], "tuned": second["scores"]["tuned"]},
        "counts": {
            kind: {**columns, "base": columns["tuned"], "tuned": second["counts"][kind]["tuned"]}
            for kind, columns in first["counts"].items()
        },
    }
    found: Figure | None = measure(joined).get("gain")
    return found


def _independent(first: Mapping[str, Any], second: Mapping[str, Any], *, alpha: float) -> Figure | None:
    """The second gain minus the first, on different documents; None if one of them has no standard error."""
    gains = [record["figures"]["gain"] for record in (second, first)]
    if any(gain["low"] is None or not gain["df"] for gain in gains):
        return None
    alphas = [record["look"]["alpha"] for record in (second, first)]
    sides = [
        Gain(gain["value"], honest_se(gain, own), gain["df"], gain["low"], gain["high"])
        for gain, own in zip(gains, alphas, strict=True)
    ]
    found = contrast_between(*sides, times=1.0, alpha=alpha)
    bounds = {"low": found.low, "high": found.high} if math.isfinite(found.se) else {"low": None, "high": None}
    sizes = {name: [gain[name] for gain in reversed(gains)] for name in ("n", "documents")}
    return {"value": found.value, "se": found.se, "df": found.df, **bounds, "p": None, **sizes}
