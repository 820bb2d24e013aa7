"""The shape of an evidence file, `luthier.evidence/1`: which keys there must be, and what they hold."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

VERDICTS = {"SHIP", "DON'T SHIP", "INCONCLUSIVE"}
DIGEST = re.compile(r"[0-9a-zA-Z]{64}")
NUMBER = (int, float)
SHAPE: Mapping[str, Mapping[str, Any] | type] = {
    "format": str,
    "plan": {
        "claim": str,
        "objective": str,
        "primary": str,
        "against": str,
        "alpha": NUMBER,
        "minimum_effect": NUMBER,
        "weights": dict,
        "items": int,
        "documents": int,
        "exam_root": str,
        "dataset_digest": str,
        "seed": int,
    },
    "plan_sha256": str,
    "models": {"base": dict, "tuned": dict},
    "exam": {"root": str, "leaks": dict, "dataset": str, "trained_on": str},
    "look": {"number": int, "alpha": NUMBER, "line": str},
    "environment": dict,
    "items": {"id": list, "document": list, "task": list},
    "scores": {"base": dict, "tuned": dict},
    "counts": dict,
    "likelihood": dict,
    "figures": dict,
    "gates": dict,
    "verdict": {"verdict": str, "reasons": list, "caveats": list, "remedy": str},
    "sha256": str,
}
"""Key -> type, or the keys inside; more may stand beside these."""


def schema_problems(record: Mapping[str, Any]) -> list[str]:
    """What is missing or of another type than the format says; an empty list means none."""
    return list(_missing(record, SHAPE, "")) or list(_wrong(record))


def _missing(found: Mapping[str, Any], shape: Mapping[str, Any], where: str) -> Iterator[str]:
    for key, wanted in shape.items():
        name = f"{where}{key}"
        kind = dict if isinstance(wanted, Mapping) else wanted
        if key not in found:
            yield f"{name}: is missing"
        elif not isinstance(found[key], kind) or isinstance(found[key], bool):
            yield f"{name}: is of another type than the format says"
        elif isinstance(wanted, Mapping):
            yield from _missing(found[key], wanted, f"{name}.")


def _wrong(record: Mapping[str, Any]) -> Iterator[str]:
    if record["verdict"]["verdict"] not in VERDICTS:
        yield f"verdict.verdict: is none of {', '.join(sorted(VERDICTS))}"
    for name, gate in record["gates"].items():
        if not isinstance(gate, dict) or not {"state", "reasons"} <= gate.keys():
            yield f"gates.{name}: has no state and reasons"
    for arm, columns in record["scores"].items():
        if not isinstance(columns, dict) or any(not _numbers(column) for column in columns.values()):
            yield f"scores.{arm}: is not one number per item and metric"
    digests = {"sha256": record["sha256"], "plan_sha256": record["plan_sha256"], "exam.root": record["exam"]["root"]}
    yield from (f"{name}: is no hash" for name, value in digests.items() if not DIGEST.fullmatch(value))


def _numbers(column: Any) -> bool:
    return isinstance(column, list) and all(isinstance(one, NUMBER) and not isinstance(one, bool) for one in column)
