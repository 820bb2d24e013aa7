"""A dataset of a million rows: how long until its first step, and how much memory do the rows take?

A million conversations of 190 tokens on average, no two alike, as prepare leaves them; they are made first, which does
not count. Measured from the start of the process. The same number of steps out of a thousand rows, cut into
micro-batches of the same size, is what the model and everything else takes without them.
"""

import tempfile
import time
from pathlib import Path

from bench.engine._datasets import chat_dataset, standard_lengths
from bench.engine._measured import measured_run
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base

SECONDS, BYTES = 20, 300e6
BASE = "smollm2-135m"
ROWS, FEW, STEPS = 1_000_000, 1_000, 4
MICRO_BATCH = 1024
"""Left to itself a run takes larger ones where many rows begin alike: that is memory for speed, not for rows."""


def measure(asked: Asked) -> Outcome:
    """Both numbers of rows; the quick form takes 20,000 instead of a million."""
    base = resolve_base(BASE, relative_to=Path())
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (FEW, 20_000 if asked.quick else ROWS):
            began = time.perf_counter()
            lengths = standard_lengths(count, seed=asked.seed)
            dataset = chat_dataset(Path(folder) / str(count), base, lengths=lengths, seed=asked.seed)
            say(f"{count:,} rows of {sum(lengths):,} tokens made in {time.perf_counter() - began:.0f} s")
            settings = {"seed": asked.seed, "epochs": 1.0, "micro_batch_tokens": MICRO_BATCH}
            found[count] = measured_run(dataset, BASE, settings, steps=STEPS)
            run = found[count]
            say(f"{count:,} rows: first step after {run['first_step']:.1f} s, {run['peak'] / 1e9:.2f} GB")
    few, many = found.values()
    more = many["peak"] - few["peak"]
    grown = max(many["peaks"]) - many["peaks"][0]
    return Outcome(
        holds=many["first_step"] <= SECONDS and more <= BYTES,
        value={
            "first_step_seconds": round(many["first_step"], 1),
            "rows_mb": round(more / 1e6),
            "grown_after_first_step_mb": round(grown / 1e6),
        },
        bar=f"<= {SECONDS} s, <= {BYTES / 1e6:.0f} MB above the run with {FEW:,} rows",
        detail={"runs": {f"{count} rows": run for count, run in found.items()}},
    )


if __name__ == "__main__":
    run_bench("engine.million", measure, about=__doc__)
