"""Check a report against its own scores, and set two reports side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from luthier.evaluate.arms import IN_WORDS
from luthier.evaluate.contrast_reports import Contrast, SideBySide, contrast_reports
from luthier.evaluate.metrics.units import gain_words, interval_words, score_words
from luthier.evaluate.report import words
from luthier.pipeline.actions.shown import Shown

ROWS = {
    "verdict": "verdict",
    "metric": "metric",
    "tuned": "tuned model",
    "base": "compared with",
    "gain": "gain",
    "retained": "what the base could do",
    "exam": "exam",
    "look": "look at this exam",
}
UNPLANNED = "No plan named this pair, so it is a finding to follow up, not a verdict."


def verify(path: Path) -> Shown:
    """Recompute an evidence file, or that of a report or run folder; not well if anything does not follow."""
    from luthier.evaluate.verify import check_evidence

    found = check_evidence(path)
    values = {
        "evidence": str(path),
        "holds": not found.problems,
        "problems": found.problems,
        "checked": list(found.checked),
        "not_checked": list(found.not_checked),
    }
    lines = [*found.problems, f"{path}: the evidence does not hold"]
    if not found.problems:
        checked, open_points = ([f"  {line}" for line in told] for told in (found.checked, found.not_checked))
        lines = [f"{path}: the evidence holds", "checked:", *checked, "not known from these files:", *open_points]
    return Shown(values, "\n".join(lines), well=not found.problems)


def compare(first: Path, second: Path) -> Shown:
    """Two finished reports side by side, and the contrast of their tuned models, or why there is none."""
    found = contrast_reports(first, second)
    sides = [_side(record) for record in (found.first, found.second)]
    remark = _remark(found)
    contrast = None
    if found.contrast is not None:
        contrast = {"kind": found.contrast.kind, "alpha": found.contrast.alpha, **found.contrast.figure}
    values = {
        "first": {"report": str(first), **sides[0]},
        "second": {"report": str(second), **sides[1]},
        "contrast": contrast,
        "remark": remark,
    }
    table = _table([("", str(first), str(second)), *((ROWS[key], sides[0][key], sides[1][key]) for key in ROWS)])
    return Shown(values, f"{table}\n\n{remark}")


def _side(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a person compares, in words."""
    plan, figures, look = record["plan"], record["figures"], record["look"]["number"]
    metric = plan["primary"]
    told = {"tuned": "-", "base": IN_WORDS[plan["against"]], "gain": "not measured"}
    if "gain" in figures:
        scores = {
            arm: f"{score_words(figures[arm]['value'], metric)} ({words.between(figures[arm], metric)})"
            for arm in ("tuned", "base")
        }
        gain = f"{gain_words(figures['gain']['value'], metric)} ({interval_words(figures['gain'], metric)})"
        told = {"tuned": scores["tuned"], "base": f"{told['base']}, {scores['base']}", "gain": gain}
    return {
        "verdict": record["verdict"]["verdict"],
        "metric": words.METRICS[metric],
        **told,
        "retained": record["gates"]["retained"]["state"],
        "exam": f"{record['exam']['root'][:12]}, {plan['items']:,} items of {plan['documents']:,} documents",
        "look": str(look),
        "evidence": record["sha256"],
    }


def _remark(found: SideBySide) -> str:
    if found.contrast is None:
        return f"They cannot be set against each other. {found.why_not}"
    metric = found.first["plan"]["primary"]
    figure = found.contrast.figure
    size = f"{gain_words(figure['value'], metric)} ({words.level(found.contrast.alpha)} interval "
    size += f"{interval_words(figure, metric)})"
    if found.contrast.kind == "paired":
        items = f"Paired, on the same {figure['n']:,} items of {figure['documents']:,} documents"
        return (
            f"{items}: the second tuned model against the first, {size}: {_paired_reading(found.contrast)}. {UNPLANNED}"
        )
    return (
        f"Independent, on different exams: the second gain less the first, {size}: {_independent_reading(figure)}. "
        f"How hard each exam is, is part of that difference; one exam for both would tell more. {UNPLANNED}"
    )


def _paired_reading(contrast: Contrast) -> str:
    figure = contrast.figure
    if figure["low"] > 0 and figure["p"] <= contrast.alpha:
        return "the second is better"
    return "the first is better" if figure["high"] < 0 else "not told apart"


def _independent_reading(figure: Mapping[str, Any]) -> str:
    if figure["low"] > 0:
        return "the second gained more"
    return "the first gained more" if figure["high"] < 0 else "not told apart"


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip() for row in rows)
