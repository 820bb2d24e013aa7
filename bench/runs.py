"""`luthier` as a person runs it: a process of its own, timed, with its peak memory and the stage it is in."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record import ROOT, say

EXAMPLE = ROOT / "examples" / "medical-coding"
DEMO = EXAMPLE / "luthier.yaml"
CLASSIFY = EXAMPLE / "classify.yaml"
WORKSHOP = ROOT / "bench" / "runs"
"""Runs that several quick benches share; ignored by git."""
STAGES = ("collect", "prepare", "train", "evaluate")
LOOK_EVERY = 0.02
"""Seconds between looks at a running child."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code; negative: the number of the signal that ended it."""
    seconds: float
    peak_bytes: int
    """Largest resident size of the process."""
    out: str
    told: str
    """What it wrote to stderr."""

    def result(self) -> dict[str, Any]:
        """The JSON object that --json prints last."""
        lines = self.out.strip().splitlines()
        if self.code != 0 or not lines:
            raise RuntimeError(f"luthier ended with {self.code}:\n{self.told[-2000:]}")
        found: dict[str, Any] = json.loads(lines[-1])
        return found


class Child:
    """One running `luthier` command."""

    def __init__(self, *words: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="luthier-bench-")
        self._out, self._told = (Path(self._folder.name) / name for name in ("out", "told"))
        self._ended: Ended | None = None
        self.began = time.perf_counter()
        with self._out.open("wb") as out, self._told.open("wb") as told:
            command = [sys.executable, "-m", "luthier.cli.main", *words]
            self.process = subprocess.Popen(command, stdout=out, stderr=told, cwd=ROOT, start_new_session=True)

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.perf_counter() - self.began

    def out(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    def stage(self) -> int:
        """Index of the stage that last began in this process; -1 before the first."""
        text = self._told.read_text(encoding="utf-8", errors="replace")
        begun = re.findall(r"^(\w+): runs \(", text, flags=re.MULTILINE)
        return STAGES.index(begun[-1]) if begun else -1

    def poll(self) -> Ended | None:
        """How it ended, or None while it runs."""
        if self._ended is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self._end(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)
        return self._ended

    def wait(self) -> Ended:
        """Until it ends."""
        while (ended := self.poll()) is None:
            time.sleep(LOOK_EVERY)
        return ended

    def send(self, number: int) -> Ended:
        """Send a signal to the process and wait for its end."""
        os.kill(self.process.pid, number)
        return self.wait()

    def kill(self) -> Ended:
        """`kill -9`."""
        return self.send(signal.SIGKILL)

    def _end(self, code: int, peak_bytes: int) -> None:
        seconds = self.seconds
        self.process.returncode = code
        told = self._told.read_text(encoding="utf-8", errors="replace")
        self._ended = Ended(code=code, seconds=seconds, peak_bytes=peak_bytes, out=self.out(), told=told)
        self._folder.cleanup()


def luthier(*words: str) -> Ended:
    """Run one command to its end."""
    return Child(*words).wait()


def run_words(project: Path, *, out: Path | None = None, settings: Sequence[str] = ()) -> list[str]:
    """Words of `luthier run` on a project."""
    chosen = ["--out", str(out)] if out is not None else []
    return ["run", str(project), "--json", *chosen, *(word for each in settings for word in ("--set", each))]


def finished_run(project: Path, *, out: Path | None = None, settings: Sequence[str] = ()) -> Path:
    """Folder of the project's finished run; what is already there and current is not done again."""
    say(f"bringing the run of {project.relative_to(ROOT)} up to date")
    return Path(str(luthier(*run_words(project, out=out, settings=settings)).result()["run"]))


def quick_run() -> Path:
    """A short run of the demo that quick benches share: too little training for a good verdict, but whole."""
    return finished_run(DEMO, out=WORKSHOP / "quick", settings=short(epochs=0.05))


def short(*, epochs: float, exam: float = 0.12) -> list[str]:
    """Settings of a demo that trains for a part of an epoch and asks one question of a share of the categories."""
    return [f"train.epochs={epochs}", "prepare.split.items_per_group=1", f"prepare.split.exam={exam}"]


def warm(base: str) -> None:
    """See to it that a base is fetched and converted, so that no bench times the network."""
    words = "import sys; from pathlib import Path; from luthier.models.bases import resolve_base; "
    words += "resolve_base(sys.argv[1], relative_to=Path())"
    subprocess.run([sys.executable, "-c", words, base], check=True, cwd=ROOT)


def evidence_of(run: Path) -> dict[str, Any]:
    """The evidence record of a run."""
    record: dict[str, Any] = json.loads((run / "report" / "evidence.json").read_bytes())
    return record
