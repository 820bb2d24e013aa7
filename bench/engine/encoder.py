"""Training a classifier on all-MiniLM-L6-v2 against the `transformers` Trainer and sentence-transformers, taking turns.

Pairs of real medical exam questions of about 100 tokens, their subject as label; 64 rows a step for everybody, the same
rows, epochs, learning rate and schedule. Rows per second over all steps but the first; what is tokenized ahead, loading
and the exam do not count. The bar holds for full fine-tuning, as the Trainer does by default, whose macro-F1 is
compared too, and for LoRA r = 16 on all linear layers. The Trainer counts with the faster of its defaults and its best
setting.
"""

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.engine._encoder_loop import BASE, ROWS_A_STEP
from bench.engine._labelled import Told, every_label_first, labelled_rows, write_told
from bench.engine._race import Runner, race, start
from bench.peers import peer_python
from bench.record import ROOT, Asked, Outcome, run_bench, say

from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.statistics.clustered import Gain
from luthier.evaluate.statistics.jackknife import jackknife_gain, jackknife_score
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording

BAR = 2
"""Times the Trainer's rows per second."""
PEERS = (
    "transformers==5.23.0",
    "torch==2.13.0",
    "peft==0.21.2",
    "accelerate==1.15.0",
    "datasets==5.2.0",
    "sentence-transformers==6.2.0",
)
TRAINER_BEST = "like lengths, autocast"
SENTENCE_BEST = "autocast"
OURS, DEFAULTS, BEST, SENTENCE = "Luthier", "Trainer, defaults", "Trainer, best", "sentence-transformers, best"
SCRIPTS = ROOT / "bench" / "engine"
ALPHA = 0.05
EXAM = 640
KEEPING = ("env", "MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=68719476736")
"""The best settings keep freed memory, as we do: new pages cost a virtual machine more than the arithmetic."""


@dataclass(frozen=True, slots=True)
class Race:
    """What everybody does."""

    method: str
    rows: int
    epochs: int
    asked: int
    """Rows of the exam."""
    default_rows: int
    """The Trainer's defaults, being slow, learn only from as many rows as their speed needs."""


def measure(asked: Asked) -> Outcome:
    """Full fine-tuning with the exam, then LoRA; the quick form is a few steps of ours."""
    wording = load_wording(resolve_base(BASE, relative_to=Path()).folder)
    told, names = labelled_rows(wording, seed=asked.seed)
    exam, rows = told[:EXAM], every_label_first(told[EXAM:])
    mean = statistics.mean(len(row.ids) for row in told)
    say(f"{len(rows)} rows to learn from, {len(exam)} to be asked, {mean:.0f} tokens on average, {len(names)} labels")
    races = [Race("full", 1024, 2, EXAM, 256), Race("lora", 512, 1, 8, 256)]
    if asked.quick:
        races = [Race("full", 192, 1, 8, 0)]
    done = {each.method: _run(each, rows, exam, names=names, asked=asked) for each in races}
    if asked.quick:
        ours = done["full"][OURS]
        return Outcome(holds=True, value=round(_speed(ours), 1), bar="a few steps", detail={"facts": ours.facts})
    return _outcome(done, exam, names=names)


def _run(plan: Race, rows: list[Told], exam: list[Told], *, names: tuple[str, ...], asked: Asked) -> dict[str, Runner]:
    say(f"{plan.method}: {plan.rows} rows, {plan.epochs} epochs")
    with tempfile.TemporaryDirectory() as name:
        file, few = Path(name) / "rows.json", Path(name) / "few.json"
        write_told(file, train=rows[: plan.rows], asked=exam[: plan.asked])
        write_told(few, train=rows[: plan.default_rows], asked=exam[:8])
        words = [str(len(names)), str(plan.epochs), str(asked.seed), plan.method]
        loop = [sys.executable, "-m", "bench.engine._encoder_loop", str(file), *words]
        runners = [start(OURS, loop, scratch=Path(name))]
        say(f"    {runners[0].facts['reasons']['dtype']}; {runners[0].facts['reasons']['forward']}")
        if not asked.quick:
            rate = str(runners[0].facts["learning_rate"])
            runners.append(_peer(DEFAULTS, few, [words[0], "1", *words[2:], "defaults", rate]))
            runners.append(_peer(BEST, file, [*words, TRAINER_BEST, rate]))
            runners.append(_peer(SENTENCE, file, [*words, SENTENCE_BEST, rate]))
        race(runners, turn=100 * ROWS_A_STEP)
    return {runner.name: runner for runner in runners}


def _peer(name: str, file: Path, words: list[str]) -> Runner:
    python = str(peer_python("encoders", requirements=PEERS))
    base = str(resolve_base(BASE, relative_to=Path()).folder)
    script = str(SCRIPTS / ("_sentence_classify.py" if name == SENTENCE else "_hf_classify.py"))
    allocator = ["env"] if name == DEFAULTS else KEEPING
    return start(name, [*allocator, python, script, str(file), base, *words], scratch=file.parent)


def _speed(runner: Runner) -> float:
    """Rows per second over all steps but the first."""
    return ROWS_A_STEP * len(runner.steps[1:]) / sum(step.seconds for step in runner.steps[1:])


def _outcome(done: dict[str, dict[str, Runner]], exam: list[Told], *, names: tuple[str, ...]) -> Outcome:
    speeds = {method: {name: _speed(each) for name, each in runners.items()} for method, runners in done.items()}
    for method, found in speeds.items():
        for name, speed in found.items():
            say(f"{method}, {name}: {speed:.1f} rows/s; ours is {found[OURS] / speed:.2f} times that")
    answers = {name: runner.facts["labels"] for name, runner in done["full"].items() if name != DEFAULTS}
    scores, gains = _compare(answers, exam, labels=len(names))
    for name, score in scores.items():
        say(f"{name}: macro-F1 {_words(score)}")
    for name, gain in gains.items():
        say(f"  ours minus that of {name}: {_words(gain)}")
    fast = all(found[OURS] >= BAR * max(found[DEFAULTS], found[BEST]) for found in speeds.values())
    as_good = gains[BEST].high >= 0
    return Outcome(
        holds=fast and as_good,
        value={method: round(found[OURS], 1) for method, found in speeds.items()},
        bar=f">= {BAR} x the Trainer's rows/s, macro-F1 not below its within the interval",
        peer={
            method: {name: round(speed, 1) for name, speed in found.items() if name != OURS}
            for method, found in speeds.items()
        },
        detail={
            "rows_per_second": speeds,
            "times": {
                method: {name: found[OURS] / each for name, each in found.items()} for method, found in speeds.items()
            },
            "macro_f1": {name: _told(score) for name, score in scores.items()},
            "ours_minus_theirs": {name: _told(gain) for name, gain in gains.items()},
            "peak_bytes": {m: {name: each.peak for name, each in runners.items()} for m, runners in done.items()},
            "steps": {m: {name: each.speeds for name, each in runners.items()} for m, runners in done.items()},
            "facts": {
                method: {name: {**each.facts, "labels": None} for name, each in runners.items()}
                for method, runners in done.items()
            },
        },
        versions=done["full"][BEST].facts["versions"] | done["full"][SENTENCE].facts["versions"],
    )


def _compare(
    answers: dict[str, list[int]], exam: list[Told], *, labels: int
) -> tuple[dict[str, Gain], dict[str, Gain]]:
    """Macro-F1 of everybody, and the paired differences from ours; every row is a document of its own."""
    gold_N, document_N = np.array([row.label for row in exam]), np.arange(len(exam))
    metric = macro_f1(scored_labels(gold_N, document_N, labels=labels), labels=labels)
    counts = {
        name: label_counts(gold_N, np.array(found), document_N=document_N, labels=labels)
        for name, found in answers.items()
    }
    scores = {name: jackknife_score(each, metric, alpha=ALPHA / 2) for name, each in counts.items()}
    gains = {
        name: jackknife_gain(counts[OURS], each, metric, alpha=ALPHA / 2)
        for name, each in counts.items()
        if name != OURS
    }
    return scores, gains


def _words(gain: Gain) -> str:
    return f"{gain.value:.3f} ({gain.low:.3f} to {gain.high:.3f})"


def _told(gain: Gain) -> dict[str, Any]:
    return {"value": gain.value, "low": gain.low, "high": gain.high}


if __name__ == "__main__":
    run_bench("engine.encoder", measure, about=__doc__)
