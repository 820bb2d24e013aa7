"""T5: peak memory of training: the standard run, 8 k-token rows, many rows.

The whole process counts: Python, libraries, model, everything. SmolLM2-135M, LoRA. The standard run learns once from
128 conversations of 190 tokens on average, with the settings that are shipped, and is measured to its end. The long
rows hold 8,000 tokens each and are learnt with checkpointing, which a run turns on by itself where it would not fit
otherwise. Whether memory grows with the number of rows: the same number of steps, in micro-batches of the same size,
out of few and out of a hundred times as many. Beside the bar: the standard run in the smallest micro-batches.
"""

import tempfile
from pathlib import Path

from bench.engine._datasets import chat_dataset, standard_lengths
from bench.engine._measured import measured_run
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base

STANDARD, LONG, GROWTH = 1.6e9, 3e9, 50e6
"""The bars, bytes; the last: how much a hundred times as many rows may add."""
BASE = "smollm2-135m"
ROWS, MANY, STEPS = 128, 12_800, 4
CHECKPOINTING = {"checkpoint_activations": "on"}
SMALL = {"micro_batch_tokens": 256}
SAME = {"micro_batch_tokens": 1024}
"""Left to itself a run takes larger ones where many rows begin alike: that is memory for speed, not for rows."""
LENGTH, LONG_STEPS = 8_000, 3
"""The second of the long steps, and the third, are reminded of the base."""


def measure(asked: Asked) -> Outcome:
    """Five processes, one after the other; the quick form takes fewer and shorter rows."""
    rows, length = (32, 2_000) if asked.quick else (ROWS, LENGTH)
    many = {f"{count} rows": (standard_lengths(count, seed=asked.seed), STEPS) for count in (rows, 100 * rows)}
    standard = standard_lengths(rows, seed=asked.seed), 0
    cases = {"standard": standard, "smallest": standard, **many, "long": ([length] * 4, LONG_STEPS)}
    special = {"smallest": SMALL, "long": CHECKPOINTING, **dict.fromkeys(many, SAME)}
    base = resolve_base(BASE, relative_to=Path())
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (lengths, steps) in cases.items():
            dataset = chat_dataset(Path(folder) / name.replace(" ", "-"), base, lengths=lengths, seed=asked.seed)
            settings = {"seed": asked.seed, "epochs": 1.0, **special.get(name, {})}
            found[name] = measured_run(dataset, BASE, settings, steps=steps)
            say(f"{name}: {found[name]['peak'] / 1e9:.2f} GB after {found[name]['steps']} steps")
    few, much = (found[name]["peak"] for name in many)
    value = {
        "standard_gb": round(found["standard"]["peak"] / 1e9, 3),
        "in_smallest_micro_batches_gb": round(found["smallest"]["peak"] / 1e9, 3),
        "long_gb": round(found["long"]["peak"] / 1e9, 3),
        "growth_gb": round((much - few) / 1e9, 3),
    }
    return Outcome(
        holds=found["standard"]["peak"] <= STANDARD and found["long"]["peak"] <= LONG and much - few <= GROWTH,
        value=value,
        bar=f"<= {STANDARD / 1e9} GB, <= {LONG / 1e9:.0f} GB for rows of {LENGTH:,} tokens, "
        f"<= {GROWTH / 1e9} GB more for a hundred times the rows",
        detail={"runs": found},
    )


if __name__ == "__main__":
    run_bench("engine.t5", measure, about=__doc__)
