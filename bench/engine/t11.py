"""T11: is the memory that is foretold before a training what it takes?

Twelve trainings, each a process of its own that runs to its end: adapter and full, decoder and encoder, micro-batches
of several sizes, short and long rows, checkpointing on and off, float32 and bfloat16. What was foretold of the largest
resident size of the whole process, before the first step, is compared with the kernel's count of it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine._datasets import chat_dataset, label_dataset, standard_lengths
from bench.engine._measured import measured_run
from bench.record import Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base

ERROR = 0.10
DECODER, ENCODER = "smollm2-135m", "minilm-l6"


@dataclass(frozen=True, slots=True)
class Case:
    """One training."""

    name: str
    settings: dict[str, Any]
    rows: int = 24
    length: int | None = None
    """Of every row; None: of the standard rows."""
    base: str = DECODER


CASES = (
    Case("LoRA as shipped", {}),
    Case("LoRA, float32", {"dtype": "float32"}, rows=16),
    Case("LoRA, checkpointing", {"checkpoint_activations": "on"}),
    Case("LoRA, micro-batches of 256", {"micro_batch_tokens": 256}),
    Case("LoRA, micro-batches of 4,096", {"micro_batch_tokens": 4096, "batch_tokens": 4096}, rows=44),
    Case("LoRA, no replay, rank 64", {"replay": 0, "adapter": {"rank": 64}}),
    Case("LoRA, rows of 3,000 tokens", {}, rows=2, length=3000),
    Case("LoRA, rows of 3,000 tokens, checkpointing", {"checkpoint_activations": "on"}, rows=2, length=3000),
    Case("full, bfloat16", {"method": "full", "dtype": "bfloat16", "replay": 0}, rows=16),
    Case("full, float32, checkpointing", {"method": "full", "dtype": "float32", "checkpoint_activations": "on"}, 12),
    Case("encoder, LoRA", {}, rows=64, base=ENCODER),
    Case("encoder, full, micro-batches of 4,096", {"method": "full", "micro_batch_tokens": 4096}, 96, 250, ENCODER),
)


def measure(asked: Asked) -> Outcome:
    """All cases; the quick form takes every fourth."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for place, case in enumerate(CASES[:: 4 if asked.quick else 1]):
            found[case.name] = _measured(case, Path(folder) / str(place), seed=asked.seed)
            row = found[case.name]
            say(f"{case.name}: foretold {row['foretold_gb']} GB, took {row['took_gb']} GB: {row['error']:+.1%}")
    worst = max((row["error"] for row in found.values()), key=abs)
    return Outcome(
        holds=abs(worst) <= ERROR,
        value={"worst": worst, "cases": len(found)},
        bar=f"within {ERROR:.0%} in each of {len(CASES)} configurations",
        detail={"cases": found},
    )


def _measured(case: Case, folder: Path, *, seed: int) -> dict[str, Any]:
    base = resolve_base(case.base, relative_to=Path())
    lengths = standard_lengths(case.rows, seed=seed) if case.length is None else [case.length] * case.rows
    if base.architecture == "encoder":
        dataset = label_dataset(folder, base, lengths=[min(base.context, each) for each in lengths], seed=seed)
    else:
        dataset = chat_dataset(folder, base, lengths=lengths, seed=seed)
    run = measured_run(dataset, case.base, {"seed": seed, "epochs": 1.0, **case.settings})
    foretold, took = run["estimate"]["peak"], run["peak"]
    return {
        "foretold_gb": round(foretold / 1e9, 3),
        "took_gb": round(took / 1e9, 3),
        "error": round(foretold / took - 1, 4),
        "settings": case.settings,
        **run,
    }


if __name__ == "__main__":
    run_bench("engine.t11", measure, about=__doc__)
