"""What every bench shares: its arguments, its last line, and its row in `bench/results`."""

import argparse
import importlib.metadata as metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of every bench."""

    seed: int
    quick: bool
    """A small form that shows the bench works; its numbers are not measurements."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bench found."""

    holds: bool
    value: Any
    bar: str
    peer: Any = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Whatever explains the value; kept in the row, left out of the last line."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the peers."""


def run_bench(name: str, measure: Callable[[Asked], Outcome], *, about: str, words: list[str] | None = None) -> None:
    """Run one bench from the command line: say what it does, measure, keep a row, print the last line."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=about.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a small form, to see that the bench works")
    arguments = parser.parse_args(words)
    asked = Asked(seed=arguments.seed, quick=arguments.quick)
    say(f"{name}: {about.strip()}")
    outcome = measure(asked)
    keep_row(name, asked, outcome)
    print(json.dumps(last_line(name, asked, outcome), ensure_ascii=False), flush=True)


def say(line: str) -> None:
    """Tell a person how the bench is getting on."""
    print(line, flush=True)


def last_line(name: str, asked: Asked, outcome: Outcome) -> dict[str, Any]:
    """The one object that every bench ends with."""
    return {
        "bench": name,
        "holds": outcome.holds,
        "value": outcome.value,
        "bar": outcome.bar,
        "peer": outcome.peer,
        "seed": asked.seed,
    }


def keep_row(name: str, asked: Asked, outcome: Outcome, *, results: Path | None = None) -> Path:
    """Append the run to `<results>/<name>.jsonl`, with what is needed to compare it with others; returns the file."""
    row = {
        **last_line(name, asked, outcome),
        "quick": asked.quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": {**own_versions(), **outcome.versions},
        "detail": dict(outcome.detail),
    }
    path = (results or RESULTS) / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def commit() -> str:
    """Short hash of the checkout, with `+changes` if the measured code was edited; `unknown` outside git."""
    done = _git("rev-parse", "--short", "HEAD")
    if done is None:
        return "unknown"
    changed = _git("status", "--porcelain", "--", "src", "bench/*.py", "examples", "constraints.txt")
    return done + ("+changes" if changed else "")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, and memory in GiB."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": _processor(), "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / 2**30, 1)}


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines[:40])}
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    family = ", ".join(f"{name} {facts[name]}" for name in ("cpu family", "model") if name in facts)
    return f"{facts['model name']} ({family})"


def own_versions() -> dict[str, str]:
    """Python and the libraries that decide our numbers."""
    named = {name: metadata.version(name) for name in ("luthier", "torch", "transformers")}
    return {"python": ".".join(map(str, sys.version_info[:3])), **named}
