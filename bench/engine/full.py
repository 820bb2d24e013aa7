"""Full fine-tuning: every weight of SmolLM2-135M, against TRL's SFTTrainer and this machine's own floor, in turns.

Both learn once from the same 48 conversations of 190 tokens on average, a third of each answer, the answer alone
carrying loss, at the same learning rate. TRL takes its defaults, without peft. Real tokens per second over all steps
but the first; loading and padding do not count. The floor is 6 N operations for each token that must be computed and
6 V d for each that carries loss, at the best bfloat16 rate of each of the model's own shapes. The loss is that of 16
other conversations after the same tokens.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.engine._products import FULL, step_floor
from bench.engine._race import Runner, race, start
from bench.engine.ceiling import measured_products
from bench.engine.t1 import BASE, TURN, score, start_peer, write_rows
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base

TIMES, SHARE = 8, 0.6
"""The bars: times TRL's defaults, share of the floor."""
ROWS = 48
OURS, THEIRS = "Luthier", "TRL (defaults)"


def measure(asked: Asked) -> Outcome:
    """Both loops; the quick form is Luthier alone."""
    base = resolve_base(BASE, relative_to=Path())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labelled = write_rows(folder, base.folder, count=ROWS, seed=asked.seed)
        runners = [_luthier(folder, asked.seed)]
        facts = runners[0].facts
        floors = [_floor(labelled, computed=facts["computed_share"])]
        if not asked.quick:
            rate = facts["learning_rate"]
            runners.append(start_peer(THEIRS, "full", folder=folder, base=base.folder, seed=asked.seed, rate=rate))
        race(runners, turn=TURN)
        floors.append(_floor(labelled, computed=facts["computed_share"]))
        losses = {} if asked.quick else score(folder, base.folder, [runner.name for runner in runners])
    return _outcome({runner.name: runner for runner in runners}, floors, losses, labelled=labelled)


def _floor(labelled: float, *, computed: float) -> dict[str, float]:
    found = step_floor(measured_products(BASE, "bfloat16"), labelled=labelled, computed=computed, uses=FULL)
    own, square = found["own"], found["square"]
    say(f"floor {own:,.0f} tokens/s at the rates of the model's own shapes, {square:,.0f} at the best square rate")
    return found


def _luthier(folder: Path, seed: int) -> Runner:
    words = [sys.executable, "-m", "bench.engine._luthier_loop", str(folder / "rows.jsonl"), str(folder / OURS)]
    return start(OURS, [*words, str(seed), json.dumps({"method": "full", "replay": 0})], scratch=folder)


def _outcome(
    runners: dict[str, Runner], floors: list[dict[str, float]], losses: dict[str, float], *, labelled: float
) -> Outcome:
    floor = max(found["own"] for found in floors)  # the machine's better moment
    speeds = {name: round(runner.speed, 1) for name, runner in runners.items()}
    value: dict[str, Any] = {"tokens_per_second": speeds[OURS], "share_of_floor": round(speeds[OURS] / floor, 3)}
    for name, runner in runners.items():
        loss = f", held-out loss {losses[name]:.4f}" if losses else ""
        say(f"{name}: {speeds[name]:.0f} tokens/s, {runner.speed / floor:.1%} of the floor{loss}")
    if THEIRS in speeds:
        value[f"times {THEIRS}"] = round(speeds[OURS] / speeds[THEIRS], 2)
        say(f"Luthier is {value[f'times {THEIRS}']:.1f} times as fast")
    return Outcome(
        holds=value["share_of_floor"] >= SHARE and value.get(f"times {THEIRS}", 0) >= TIMES,
        value=value,
        bar=f">= {TIMES} x TRL's defaults, >= {SHARE:.0%} of the floor",
        peer=speeds.get(THEIRS),
        detail={
            "loops": {name: _detail(runner) for name, runner in runners.items()},
            "floors": floors,
            "labelled_share": labelled,
            "losses": losses,
        },
        versions={f"TRL's {each}": version for each, version in _versions(runners).items()},
    )


def _detail(runner: Runner) -> dict[str, Any]:
    return {
        "peak_gib": round(runner.peak / 2**30, 2),
        "tokens": runner.tokens,
        "speeds": runner.speeds,
        "cores_used_by_others": max(step.others for step in runner.steps),
        "facts": {key: value for key, value in runner.facts.items() if key not in {"event", "versions"}},
    }


def _versions(runners: dict[str, Runner]) -> dict[str, str]:
    return dict(runners[THEIRS].facts["versions"]) if THEIRS in runners else {}


if __name__ == "__main__":
    run_bench("engine.full", measure, about=__doc__)
