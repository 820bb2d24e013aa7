"""How large an exam must be, in words for whoever has to find the documents."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from luthier.artifacts.folders import ExamDir, ReportDir
from luthier.artifacts.manifest import read_manifest
from luthier.errors import NotFoundError, UsageError
from luthier.evaluate.config import EvaluateConfig
from luthier.evaluate.statistics.power import DIFFERING, ICC, Design, documents_to_see, foreseen_mde, power_of
from luthier.pipeline.actions.shown import Shown
from luthier.pipeline.project import Project, open_project

FORMAT = "luthier.exam-size/1"
PER_DOCUMENT = 5.0
GAINS = (3.0, 5.0, 10.0, 15.0, 20.0)
"""Points that are shown where none is asked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the planner; None: unknown. Gains in points, shares in per cent."""

    gain: float | None = None
    documents: int | None = None
    per_document: float | None = None
    differ: float | None = None


def plan_exam(file: Path | None, wish: Wish) -> Shown:
    """Documents that each gain needs and, for a number of documents, what so many can see.

    A project brings its level and smallest gain worth shipping, once prepared the size of its exam, and once evaluated
    how much the two models differ. Raises
    UsageError for numbers that cannot be, and what `open_project` raises.
    """
    _check(wish)
    project = open_project(file) if file is not None else None
    found = None if wish.differ is not None or project is None else _differed(project)
    wish = wish if found is None else replace(wish, differ=found)
    config = project.config.evaluate if project is not None else EvaluateConfig()
    documents, per_document = _size(project, wish)
    gains = (wish.gain,) if wish.gain is not None else GAINS
    rows = [_needed(gain, config, per_document=per_document, differ=wish.differ) for gain in gains]
    values: dict[str, Any] = {
        "format": FORMAT,
        "alpha": config.alpha,
        "minimum_effect": 100 * config.minimum_effect,
        "per_document": per_document,
        "alike_within_documents": ICC,
        "as_in_report": found is not None,
        "gains": rows,
        "given": None,
    }
    if documents is not None:
        values["given"] = _seen(documents, gains, config, per_document=per_document, differ=wish.differ)
    return Shown(values, "\n".join(_words(values)))


def _check(wish: Wish) -> None:
    limits = {
        "--gain": (wish.gain, 0, 100),
        "--documents": (wish.documents, 0, 10_000_000),
        "--per-document": (wish.per_document, 0.1, 10_000),
        "--differ": (wish.differ, 0, 100),
    }
    for flag, (number, low, high) in limits.items():
        if number is not None and not low < number <= high:
            raise UsageError(f"{flag} {number:g}: give a number above {low:g}, at most {high:,}.")


def _size(project: Project | None, wish: Wish) -> tuple[int | None, float]:
    """Documents, if known, and questions from each: as wished, else as in the project's exam."""
    counts: Mapping[str, int] = {}
    if project is not None:
        try:
            counts = read_manifest(project.folder / ExamDir.kind).counts
        except NotFoundError:
            counts = {}
    documents, items = counts.get("groups", 0), counts.get("items", 0)
    per_document = items / documents if documents and items else PER_DOCUMENT
    return wish.documents or documents or None, wish.per_document or per_document


def _differed(project: Project) -> float | None:
    """Per cent of the questions that the run's models answered differently; None without a report that says so."""
    path = project.folder / ReportDir.kind / "evidence.json"
    psi = json.loads(path.read_bytes())["figures"].get("psi") if path.is_file() else None
    return 100 * psi if psi else None


def _psi(gain: float, differ: float | None) -> float:
    """Share of items on which the models differ: as said, but no less than the gain itself takes."""
    return max(differ / 100 if differ is not None else DIFFERING, gain / 100)


def _needed(gain: float, config: EvaluateConfig, *, per_document: float, differ: float | None) -> dict[str, Any]:
    documents = documents_to_see(
        gain / 100,
        per_document=per_document,
        psi=_psi(gain, differ),
        alpha=config.alpha,
        minimum_effect=config.minimum_effect,
    )
    items = round(documents * per_document) if documents is not None else None
    return {"gain": gain, "documents": documents, "items": items, "differ": 100 * _psi(gain, differ)}


def _seen(
    documents: int, gains: Sequence[float], config: EvaluateConfig, *, per_document: float, differ: float | None
) -> dict[str, Any]:
    """What a given exam can see, and its chance of finding each gain."""
    rules = {"alpha": config.alpha, "minimum_effect": config.minimum_effect}
    items = round(documents * per_document)
    least = foreseen_mde(items, documents, psi=_psi(0, differ), **rules)
    chances = [
        {"gain": gain, "chance": power_of(Design(documents, per_document, _psi(gain, differ)), gain / 100, **rules)}
        for gain in gains
    ]
    enough = least is not None
    return {
        "documents": documents,
        "items": items,
        "sees": 100 * least if least is not None else None,
        "chances": chances if enough else [],
    }


def _words(values: Mapping[str, Any]) -> list[str]:
    lines = [f"An exam with {values['per_document']:g} questions from each document", ""]
    lines += ["to see a gain of   documents   questions"]
    for row in values["gains"]:
        size = f"{row['documents']:>9,}   {row['items']:>9,}" if row["documents"] else "no exam can: see below"
        lines.append(f"{_points(row['gain']):<16}   {size}")
    lines += ["", *_given_words(values["given"])]
    source = " (as in the exam of this run)" if values["as_in_report"] else ""
    lines += [
        "To see a gain: if the tuned model truly is that much better, 4 of 5 such exams end with SHIP. A model that is",
        f"no better gets SHIP in {100 * values['alpha']:g} % of exams at most.",
        f"A gain of {_points(values['minimum_effect'])} or less cannot be seen by any exam: it is not worth shipping "
        "(evaluate.minimum_effect).",
        f"Reckoned with: the two models differ on {values['gains'][0]['differ']:.3g} % of the questions{source}, and "
        "answers to questions from one document are somewhat alike.",
        "More documents help more than more questions from each.",
    ]
    return lines


def _given_words(given: Mapping[str, Any] | None) -> list[str]:
    if given is None:
        return []
    size = f"{given['items']:,} questions from {given['documents']:,} documents"
    if given["sees"] is None:
        return [f"With {size} the verdict is INCONCLUSIVE whatever the model does: the least is 30 from 6.", ""]
    sees = f"see gains of {_points(given['sees'])} or more" if given["sees"] < 100 else "hardly see any gain"
    chances = "; ".join(f"{_points(row['gain'])}: {100 * row['chance']:.0f} %" for row in given["chances"])
    return [f"With {size} an exam can {sees}.", f"Chance of SHIP by the true gain: {chances}.", ""]


def _points(number: float) -> str:
    return f"{number:.3g} point{'s' * (number != 1)}"
