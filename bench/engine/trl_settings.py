"""Which setting of TRL's SFTTrainer is the fastest on this machine? T1 compares with the one that wins here.

Steps of 8 rows over 32 of T1's kind, one setting after the other, the first step of each not timed. All but the
defaults are without checkpointing; packing, padding free, rows of like length together, attention written out,
float32, the adapter in bfloat16 too, 16 rows a step.
"""

import tempfile
from pathlib import Path

from bench.engine._race import race
from bench.engine._rows import standard_rows, tokenized, write_tokenized
from bench.engine.t1 import BASE, TRL_BEST, TURN, start_peer
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording

SETTINGS = (
    "defaults",
    "packing",
    "padding free",
    "like lengths",
    "like lengths, eager",
    "like lengths, float32",
    "like lengths, pure bfloat16",
    "like lengths, pure bfloat16, 16 rows",
)
ROWS = 32
NEAR = 1.05
"""Settings this close to the fastest are as good."""


def measure(asked: Asked) -> Outcome:
    """All settings; the quick form is the defaults and the best."""
    base = resolve_base(BASE, relative_to=Path())
    wording = load_wording(base.folder)
    settings = ("defaults", TRL_BEST) if asked.quick else SETTINGS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tokenized(
            folder / "rows.jsonl", tokenized(standard_rows(ROWS, seed=asked.seed, wording=wording), wording)
        )
        runners = []
        for each in settings:  # one after the other: together they would not fit into memory
            runners.append(start_peer(each, each, folder=folder, base=base.folder, seed=asked.seed, rate=2e-4))
            race(runners[-1:], turn=TURN)
    speeds = {runner.name: round(runner.speed, 1) for runner in runners}
    for runner in sorted(runners, key=lambda each: -each.speed):
        say(f"{runner.name}: {runner.speed:.0f} tokens/s, {runner.peak / 2**30:.2f} GiB")
    return Outcome(
        holds=speeds[TRL_BEST] * NEAR >= max(speeds.values()),
        value=speeds,
        bar=f"'{TRL_BEST}', which T1 takes, is the fastest or within {NEAR - 1:.0%} of it",
        detail={
            runner.name: {
                "speeds": runner.speeds,
                "peak": runner.peak,
                "facts": {**runner.facts, "versions": None},
            }
            for runner in runners
        },
        versions={f"TRL's {name}": version for name, version in runners[0].facts["versions"].items()},
    )


if __name__ == "__main__":
    run_bench("engine.trl_settings", measure, about=__doc__)
