"""`kill -9` at 20 random moments of the demo, and `luthier run` again each time: is the end the same, bit for bit?

A shortened demo runs once unbroken; then the kills are dealt over several runs, each in a fresh folder, at moments
drawn over the whole of the unbroken run. Compared are the weights, the evidence and the report.
"""

import hashlib
import random
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, LOOK_EVERY, STAGES, Child, Ended, run_words, short, warm

SETTINGS = [*short(epochs=0.1, exam=0.03), "train.checkpoint_minutes=0.1"]
RESULTS = ("model/adapter_model.safetensors", "report/evidence.json", "report/report.html")
KILLS_PER_RUN = 10


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the job: so many seconds after a stage began (-1: after the start of the process)."""

    stage: int
    after: float


@dataclass(slots=True)
class Broken:
    """One run that was killed again and again until it was done."""

    hashes: dict[str, str]
    killed_in: list[str]
    """The stage that was running at each kill."""
    failed: str = ""
    """What was said if a restart failed by itself."""


def measure(asked: Asked) -> Outcome:
    """20 kills; the quick form has 3, in one run."""
    wanted = 3 if asked.quick else 20
    dice = random.Random(asked.seed)
    warm("smollm2-135m")
    whole, marks = _unbroken()
    runs: list[Broken] = []
    while (done := sum(len(each.killed_in) for each in runs)) < wanted and len(runs) < wanted:
        count = min(KILLS_PER_RUN, wanted - done)
        runs.append(_broken([_moment(dice.uniform(0, marks[-1]), marks) for _ in range(count)]))
        same = runs[-1].hashes == whole
        say(f"run {len(runs)}: killed in {', '.join(runs[-1].killed_in) or 'nothing'}; {_words(runs[-1], same)}")
    kills = sum(len(each.killed_in) for each in runs)
    equal = sum(each.hashes == whole for each in runs)
    return Outcome(
        holds=equal == len(runs) and kills >= wanted,
        value={"equal": equal, "runs": len(runs), "kills": kills},
        bar=f"all runs equal to the unbroken one, {wanted} kills",
        detail={
            "unbroken_seconds": marks,
            "killed_in": Counter(stage for each in runs for stage in each.killed_in),
            "failed": [each.failed for each in runs if each.failed],
            "differing": [[name for name in RESULTS if each.hashes.get(name) != whole[name]] for each in runs],
            "settings": SETTINGS,
        },
    )


def _unbroken() -> tuple[dict[str, str], list[float]]:
    """Hashes of the results, and when the process and each stage began and all ended, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        child = Child(*run_words(DEMO, out=Path(folder), settings=SETTINGS))
        marks = [0.0]
        while (ended := child.poll()) is None:
            marks += [child.seconds] * (child.stage() + 2 - len(marks))
            time.sleep(LOOK_EVERY)
        hashes = _hashes(Path(ended.result()["run"]))
    marks += [ended.seconds] * (len(STAGES) + 2 - len(marks))
    named = zip(("start", *STAGES), marks, strict=False)
    say(f"unbroken: {ended.seconds:.0f} s; " + ", ".join(f"{name} from {mark:.0f} s" for name, mark in named))
    return hashes, marks


def _moment(seconds: float, marks: list[float]) -> Moment:
    """Where in the unbroken run this many seconds fell."""
    place = max(index for index, mark in enumerate(marks[:-1]) if mark <= seconds)
    return Moment(stage=place - 1, after=seconds - marks[place])


def _broken(moments: list[Moment]) -> Broken:
    """Kill a fresh run at each of these moments, earliest first, then let it finish."""
    found = Broken(hashes={}, killed_in=[])
    with tempfile.TemporaryDirectory() as folder:
        words = run_words(DEMO, out=Path(folder), settings=SETTINGS)
        ended: Ended | None = None
        for moment in sorted(moments, key=lambda each: (each.stage, each.after)):
            child = Child(*words)
            ended = _until(child, moment)
            if ended is not None:
                break
            stage = ("start", *STAGES)[child.stage() + 1]
            last = child.kill()
            if last.code != -signal.SIGKILL:  # it was faster
                ended = last
                break
            found.killed_in.append(stage)
        if ended is None:
            ended = Child(*words).wait()
        if ended.code == 0:
            found.hashes = _hashes(Path(ended.result()["run"]))
        else:
            found.failed = ended.told[-2000:]
    return found


def _until(child: Child, moment: Moment) -> Ended | None:
    """Wait for the moment; how the child ended, if it did before."""
    due = child.seconds + moment.after if moment.stage < 0 else None
    while (ended := child.poll()) is None:
        if due is None and child.stage() >= moment.stage:
            due = child.seconds + moment.after
        if due is not None and child.seconds >= due:
            return None
        time.sleep(LOOK_EVERY)
    return ended


def _hashes(run: Path) -> dict[str, str]:
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in RESULTS}


def _words(run: Broken, same: bool) -> str:
    if run.failed:
        return f"FAILED: {run.failed.strip().splitlines()[-1]}"
    return "equal" if same else "DIFFERENT"


if __name__ == "__main__":
    run_bench("journey.kills", measure, about=__doc__)
