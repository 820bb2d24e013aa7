"""Results of a bench's long parts, kept in `bench/runs`: who is stopped and runs it again goes on where it was."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.record import ROOT
from bench.runs import WORKSHOP

OURS = ("train", "models")
"""Rooms of the package that decide what a training makes of its rows."""


def kept(name: str, told: Mapping[str, Any], make: Callable[[], dict[str, Any]], *, ours: bool) -> dict[str, Any]:
    """What `make` returns, or what it returned when `told`, all that it depends on, was last the same.

    `ours`: it also depends on our own code, so that a result of other code is none.
    """
    facts = json.dumps({"told": told, "code": code_of(OURS) if ours else ""}, sort_keys=True)
    path = WORKSHOP / name / f"{hashlib.sha256(facts.encode()).hexdigest()[:20]}.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(made), encoding="utf-8")
    new.replace(path)
    return made


def digest_of(path: Path) -> str:
    """Of a file that a part reads."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def code_of(rooms: Sequence[str]) -> str:
    """Of the code of rooms of the package."""
    total = hashlib.sha256()
    for room in rooms:
        for path in sorted((ROOT / "src" / "luthier" / room).rglob("*.py")):
            total.update(path.read_bytes())
    return total.hexdigest()
