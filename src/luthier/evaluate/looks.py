"""The ledger of looks: whoever sees the exam writes a line first, and every look after the first pays for it."""

import getpass
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from luthier.artifacts.canonical import canonical_json, merkle_root, sha256_of
from luthier.artifacts.folders import ExamDir
from luthier.artifacts.rows import read_items
from luthier.artifacts.sealed import leaves_in
from luthier.artifacts.storage import append_line
from luthier.errors import UserError
from luthier.records import Item

_NOT_HASHED = {"time", "who", "sha256"}
"""Told to people, outside the chain: the evidence of a resumed run equals the unbroken one's."""


PERSON = "a person"
"""Stands for the model where somebody reads the items: whatever is chosen after that has seen the exam."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an exam."""

    number: int
    """From 1, counted per exam root."""
    alpha: float
    """What this look may spend, one-sided."""
    sha256: str
    """Hash of the ledger's line, which holds the hash of the line before it."""


@dataclass(frozen=True, slots=True)
class OpenExam:
    """The items, and the look that was paid for them."""

    items: list[Item]
    look: Look


def alpha_of(look: int, *, alpha: float) -> float:
    """Look 1 spends alpha, look k >= 2 alpha 6 / (pi^2 k^2): at most 1.4 alpha in all."""
    return alpha if look == 1 else alpha * 6 / (math.pi**2 * look**2)


def exam_root(exam: ExamDir) -> str:
    """Merkle root in the exam's seal; UserError if there is none."""
    return str(exam.seal["root"])


def open_exam(exam: ExamDir, *, model: str, plan: Mapping[str, Any], why: str) -> OpenExam:
    """Write the look, then read the items and check them against the seal.

    The same model (digest, or `PERSON`) under the same plan is the same look: a killed evaluation continues its own.
    Raises UserError if the ledger was edited or the items are not the sealed ones.
    """
    root = exam_root(exam)
    entry = {"exam": root, "model": model, "plan": sha256_of(dict(plan)), "why": why}
    line = _written(exam.looks, entry)
    items = read_items(exam.file("items.parquet"))
    if merkle_root(leaves_in(exam, items)) != root:
        raise UserError(
            f"{exam.path}: the items, or the texts they were cut from, are not the ones that were sealed. Remove the "
            "folder, run prepare again."
        )
    number = int(line["look"])
    return OpenExam(items=items, look=Look(number, alpha_of(number, alpha=float(plan["alpha"])), str(line["sha256"])))


def close_look(exam: ExamDir, look: Look, *, result: str) -> None:
    """Add what a look led to (hash of the evidence) to the ledger, once."""
    ledger = read_ledger(exam.looks)
    entry = {"of": look.sha256, "result": result}
    if not any(entry.items() <= line.items() for line in ledger):
        _append(exam.looks, entry, ledger)


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """All lines of a ledger (none if there is no file); UserError names the first line that breaks the chain."""
    lines: list[dict[str, Any]] = []
    if not path.is_file():
        return lines
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        line = _parse(text)
        if line is None:
            # Torn by a crash while it was written: no item had left the exam yet.
            continue
        previous = lines[-1]["sha256"] if lines else ""
        if line.get("previous") != previous or line.get("sha256") != _line_hash(line):
            raise UserError(f"{path}:{number}: the ledger of looks was edited. Restore it, or make a new exam.")
        lines.append(line)
    return lines


def _parse(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _written(path: Path, entry: Mapping[str, str]) -> dict[str, Any]:
    ledger = read_ledger(path)
    looks = [line for line in ledger if "look" in line]
    for line in looks:
        if all(line[key] == entry[key] for key in ("exam", "model", "plan")):
            return line
    return _append(path, {**entry, "look": 1 + sum(line["exam"] == entry["exam"] for line in looks)}, ledger)


def _append(path: Path, entry: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    line = {**entry, "previous": ledger[-1]["sha256"] if ledger else ""}
    line |= {"time": datetime.now(UTC).isoformat(timespec="seconds"), "who": _who()}
    line["sha256"] = _line_hash(line)
    append_line(path, canonical_json(line))
    return line


def _line_hash(line: Mapping[str, Any]) -> str:
    return sha256_of({key: value for key, value in line.items() if key not in _NOT_HASHED})


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"
