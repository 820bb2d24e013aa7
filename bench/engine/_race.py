"""Training loops in processes of their own, taking turns on one machine (the loops' side is `_gate.py`)."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bench.record import ROOT, say

NOISE = 0.2
"""Cores that others may use before a step counts as disturbed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step."""

    tokens: int
    seconds: float
    others: float
    """Cores that other processes used meanwhile."""
    facts: dict[str, Any]


@dataclass
class Runner:
    """One loop: started, asked for a step at a time, ended."""

    name: str
    process: subprocess.Popen[str]
    errors: IO[str]
    facts: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    turns: set[int] = field(default_factory=set)
    """Steps with which a turn began."""
    ended: bool = False

    @property
    def tokens(self) -> int:
        """Real tokens learnt from so far."""
        return sum(step.tokens for step in self.steps)

    @property
    def speed(self) -> float:
        """Real tokens per second over all steps but the first of every turn."""
        return sum(step.tokens for step in self._timed) / sum(step.seconds for step in self._timed)

    @property
    def speeds(self) -> list[float]:
        """The same of each step."""
        return [round(step.tokens / step.seconds, 1) for step in self._timed]

    @property
    def _timed(self) -> list[Step]:
        return [step for place, step in enumerate(self.steps) if place not in self.turns]

    @property
    def peak(self) -> int:
        """Largest resident memory up to the last step, in bytes."""
        return max(int(step.facts["peak"]) for step in self.steps)

    def take_step(self) -> None:
        """Let the loop take one step, and wait for it."""
        busy, began = _busy() - _used_by(self.process.pid), time.perf_counter()
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self._answer()
        if answer["event"] != "step":
            raise RuntimeError(f"{self.name} did not take its step: {answer}")
        others = (_busy() - _used_by(self.process.pid) - busy) / (time.perf_counter() - began)
        self.steps.append(Step(answer.pop("tokens"), answer.pop("seconds"), round(others, 2), answer))

    def finish(self) -> None:
        """Let the loop save what it learnt."""
        answer = self._answer()
        assert answer["event"] == "end", answer
        self.facts |= answer
        self.ended = True
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise RuntimeError(f"{self.name} failed:\n{self.errors.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def start(name: str, words: Sequence[str], *, scratch: Path) -> Runner:
    """Start a loop and wait until it is ready for its first step."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if words[1] != "-m":
        environment.pop("PYTHONPATH", None)  # a peer sees nothing of ours
    errors = (scratch / f"{name.replace(' ', '-')}.txt").open("w+", encoding="utf-8")
    began = time.perf_counter()
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    runner = Runner(name, process, errors)
    runner.facts = runner._answer()
    say(f"{name}: ready after {time.perf_counter() - began:.0f} s")
    return runner


def race(runners: Sequence[Runner], *, turn: int) -> None:
    """Let the loops take turns of about `turn` tokens until each has taken all its steps and saved the result."""
    try:
        goal = 0
        while not all(runner.ended for runner in runners):
            goal += turn
            for runner in runners:
                _one_turn(runner, goal=goal)
    finally:
        for runner in runners:
            if runner.process.poll() is None:
                runner.process.kill()
                runner.process.wait()


def _one_turn(runner: Runner, *, goal: int) -> None:
    runner.turns.add(len(runner.steps))
    while not runner.ended and runner.tokens < goal:
        runner.take_step()
        last = runner.steps[-1]
        speed = last.tokens / last.seconds
        say(f"  {runner.name}, step {len(runner.steps)}: {speed:.0f} tokens/s, {last.seconds:.1f} s")
        if last.others > NOISE:
            say(f"    other processes used {last.others:.1f} cores meanwhile: this step says little")
        if len(runner.steps) == runner.facts["steps"]:
            runner.finish()


def _busy() -> float:
    """Seconds of processor time that this machine has spent."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    return sum(int(each) for each in fields[:3]) / os.sysconf("SC_CLK_TCK")


def _used_by(process: int) -> float:
    """The same of one process and all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
