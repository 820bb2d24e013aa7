"""T2: training steps on rows that begin alike, with their beginnings shared, against the same rows computed whole.

LoRA r = 16 on all linear layers of SmolLM2-135M; a step learns from eight questions about one passage of 600 tokens,
in the compute type that the machine chooses. The two take turns, step by step; sharing switches itself on. Gradients
are compared once, in float32, with those of each row by itself.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.engine._passages import QUESTIONS, passage_rows
from bench.engine._race import Runner, race, start
from bench.engine._rows import tokenized, write_tokenized
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording

BASE = "smollm2-135m"
BAR, ERROR = 3.0, 1e-5
PASSAGES = 8
"""One step each."""


def measure(asked: Asked) -> Outcome:
    """Eight steps; the quick form takes two and leaves the gradients to the tests."""
    wording = load_wording(resolve_base(BASE, relative_to=Path()).folder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = tokenized(passage_rows(2 if asked.quick else PASSAGES, seed=asked.seed, wording=wording), wording)
        write_tokenized(folder / "rows.jsonl", rows)
        loop = [sys.executable, "-m", "bench.engine._t2_loop", str(folder / "rows.jsonl"), str(asked.seed)]
        gradient = {} if asked.quick else _gradient([*loop, "gradient"], folder)
        runners = [
            start(title, [*loop, mode], scratch=folder) for title, mode in (("shared", "auto"), ("whole", "off"))
        ]
        race(runners, turn=sum(len(row["ids"]) for row in rows[:QUESTIONS]) // 2)
    return _outcome(*runners, gradient=gradient)


def _gradient(words: list[str], folder: Path) -> dict[str, Any]:
    runner = start("gradients", words, scratch=folder)
    runner.process.wait()
    found = {name: value for name, value in runner.facts.items() if name.startswith("error")}
    say(f"gradients of one step in float32 differ by {found['error']:.1e} of the largest, {found}")
    return found


def _outcome(shared: Runner, whole: Runner, *, gradient: dict[str, Any]) -> Outcome:
    seconds = {each.name: statistics.median(step.seconds for step in each.steps[1:]) for each in (shared, whole)}
    ratio = seconds["whole"] / seconds["shared"]
    token_ratio = sum(step.tokens for step in shared.steps) / sum(step.facts["computed"] for step in shared.steps)
    decision = shared.facts["choices"]["share_prefixes"]
    say(f"chosen by itself: {decision['value']}, because {decision['reason']}")
    say(
        f"a step of {QUESTIONS} rows: {seconds['shared']:.2f} s shared, {seconds['whole']:.2f} s whole: "
        f"{ratio:.2f} times as fast, {token_ratio:.2f} times fewer tokens computed"
    )
    peaks = {each.name: round(each.peak / 2**30, 2) for each in (shared, whole)}
    say(f"peak memory {peaks['shared']} GiB shared, {peaks['whole']} GiB whole")
    return Outcome(
        holds=ratio >= BAR and gradient.get("error", 0.0) <= ERROR and decision["value"],
        value=round(ratio, 2),
        bar=f">= {BAR} x, gradients equal within {ERROR:.0e}",
        detail={
            "seconds": seconds,
            "token_ratio": token_ratio,
            "gradient": gradient,
            "peak_gib": peaks,
            "steps": {
                each.name: [
                    {"seconds": step.seconds, "tokens": step.tokens, "cores_used_by_others": step.others, **step.facts}
                    for step in each.steps
                ]
                for each in (shared, whole)
            },
            "choices": {each.name: each.facts["choices"] for each in (shared, whole)},
        },
    )


if __name__ == "__main__":
    run_bench("engine.t2", measure, about=__doc__)
