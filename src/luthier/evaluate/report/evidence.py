"""The evidence file, `luthier.evidence/1`: ids and scores, no customer text, and everything needed to recompute it."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from luthier.artifacts.canonical import canonical_json, sha256_of
from luthier.errors import NotFoundError, UserError
from luthier.evaluate.arms import Arm, slices_of
from luthier.evaluate.cost import token_columns
from luthier.evaluate.decide import conclude
from luthier.evaluate.further import Further
from luthier.evaluate.looks import Look
from luthier.records import Item

FORMAT = "luthier.evidence/1"
EVIDENCE = "evidence.json"


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was measured."""

    items: Sequence[Item]
    base: Arm
    tuned: Arm
    labels: Sequence[str]
    """Labels of a classifier, in the dataset's order; else empty."""
    likelihood: Mapping[str, Mapping[str, Any]]
    """Set (GEN-TEST, TRAIN, VAL, TEST) -> columns document, bytes, base_nats, tuned_nats; VAL-SHIPPED -> document, and
    nats and right answers of the best checkpoint and of what ships."""
    rivals: Mapping[str, Arm] = field(default_factory=dict)
    """Other ways to do the work."""
    general: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Suite of general tasks -> columns document, chance, base, tuned."""
    apart: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Set (GEN-TEST, TEST) -> columns document, tokens, forward, backward, alike."""
    flagged: Container[str] = ()
    """Ids of items that training may ask in other words."""
    canaries: Mapping[str, Any] = field(default_factory=dict)
    """Columns id, repeats, fillers, rank of what was planted in training; empty if nothing was."""
    advisory: Mapping[str, Any] = field(default_factory=dict)
    """What decides nothing, where it was wanted: `suites` (`suites.ask_suites`), `judge` (`judge.calibrate`)."""
    further: Sequence[Further] = ()
    """Tasks that do not decide."""
    fold: Sequence[int] = ()
    """The fold of every item, from 1, after cross-fitting."""

    @property
    def arms(self) -> dict[str, Arm]:
        """All arms by name."""
        return {"base": self.base, "tuned": self.tuned, **self.rivals}

    def facing(self, against: str) -> "Observed":
        """The same with the arm that the plan set the tuned model against in the place of the base."""
        return replace(self, base=self.arms.get(against, self.base))


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that was fixed: plain JSON, no times, no paths."""

    plan: Mapping[str, Any]
    frozen_plan: Mapping[str, Any] | None
    """Hash of the plan that training began under, and what has changed since; None: it began without one."""
    models: Mapping[str, Any]
    exam: Mapping[str, Any]
    """root, leaks (kind -> count), dataset and trained_on (digests), sealed_with (one split made both)."""
    look: Look
    environment: Mapping[str, Any]
    order: Sequence[str] = ()
    """Document ids in the order in which a sequential exam asks them."""
    folds: Sequence[Mapping[str, Any]] = ()
    """Of cross-fitting, for each fold: root, dataset, trained_on and model (digests), items, rules."""


def assemble(setting: Setting, observed: Observed) -> dict[str, Any]:
    """Answers in, evidence out: the record with its figures, gates, verdict and hash."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "plan": dict(setting.plan),
        "plan_sha256": sha256_of(dict(setting.plan)),
        "frozen_plan": None if setting.frozen_plan is None else dict(setting.frozen_plan),
        "models": dict(setting.models),
        "exam": dict(setting.exam),
        "sequential": {"order": list(setting.order)} if setting.order else None,
        "look": {"number": setting.look.number, "alpha": setting.look.alpha, "line": setting.look.sha256},
        "environment": dict(setting.environment),
        "items": _items(observed),
        "scores": {name: arm.scores for name, arm in observed.arms.items()},
        "counts": _counts(observed),
        "general": {name: dict(columns) for name, columns in observed.general.items()},
        "apart": {name: dict(columns) for name, columns in observed.apart.items()},
        "likelihood": {name: dict(columns) for name, columns in observed.likelihood.items()},
        "canaries": dict(observed.canaries),
        "cost": token_columns(observed.arms),
        "further": [_further(one) for one in observed.further],
    }
    record |= {"folds": [dict(fold) for fold in setting.folds]} if setting.folds else {}
    record |= observed.advisory
    record |= conclude(record)
    record["sha256"] = sha256_of(record)
    # What is written is what is shown: tuples and numpy numbers become plain JSON values here.
    plain: dict[str, Any] = json.loads(canonical_json(record))
    return plain


def evidence_bytes(record: Mapping[str, Any]) -> bytes:
    """The one byte string of an evidence record."""
    return canonical_json(dict(record)) + b"\n"


def read_evidence(path: Path) -> dict[str, Any]:
    """Read an evidence file; NotFoundError if there is none, UserError if it is not one."""
    if not path.is_file():
        raise NotFoundError(f"{path}: no such evidence file")
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not readable as evidence ({error})") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise UserError(f"{path}: not an evidence file of the format {FORMAT}")
    return record


def document_id(document: str) -> str:
    """First 16 hex of a document name's SHA-256: names of groups may be the customer's text."""
    return sha256(document.encode()).hexdigest()[:16]


def _items(observed: Observed) -> dict[str, list[Any]]:
    items = observed.items
    return {
        "id": [item.id for item in items],
        "document": [document_id(item.document) for item in items],
        "task": [item.task for item in items],
        "slice": list(slices_of(items).column),
        "flagged": [item.id in observed.flagged for item in items],
        **({"fold": list(observed.fold)} if observed.fold else {}),
    }


def _further(one: Further) -> dict[str, Any]:
    items = {"id": [item.id for item in one.items], "document": [document_id(item.document) for item in one.items]}
    scores = {name: arm.scores for name, arm in one.arms.items()}
    return {"claim": one.claim, "task": one.task, "items": items, "scores": scores, "cost": token_columns(one.arms)}


def _counts(observed: Observed) -> dict[str, Any]:
    if observed.base.spans is not None and observed.tuned.spans is not None:
        arms = {"base": observed.base.spans, "tuned": observed.tuned.spans}
        types = len(observed.tuned.spans[0]) // 3 if observed.tuned.spans else 0
        return {"spans": {"types": types, **{arm: list(map(list, counts)) for arm, counts in arms.items()}}}
    if observed.base.named is not None and observed.tuned.named is not None:
        places = {label: place for place, label in enumerate(observed.labels)}
        return {
            "several_labels": {
                "labels": len(places),
                "gold": [sorted(places[gold] for gold in item.golds) for item in observed.items],
                "base": list(map(list, observed.base.named)),
                "tuned": list(map(list, observed.tuned.named)),
            }
        }
    if observed.base.predicted is None or observed.tuned.predicted is None:
        return {}
    return {
        "labels": {
            "labels": len(observed.labels),
            "gold": [list(observed.labels).index(item.golds[0]) for item in observed.items],
            "base": list(observed.base.predicted),
            "tuned": list(observed.tuned.predicted),
        }
    }
