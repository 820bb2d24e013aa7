"""T3 for every objective: loss and gradient of one batch against the peer's own code, in float32, on the real bases.

The error of a gradient is the length of the difference relative to the gradient's. Each part is a file of its own, and
says beside its errors how far the peer is from float64 where that is known. Finished parts are kept in `bench/runs`:
run again to go on.
"""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

from bench.kept import kept
from bench.record import Asked, Outcome, run_bench

BAR = 1e-5
PARTS = (
    "bench.objectives._parity_classify",
    "bench.objectives._parity_embed",
    "bench.objectives._parity_prefer",
    "bench.objectives._parity_reinforce",
    "bench.objectives._parity_tag",
)
"""Modules with `compare(asked) -> case -> {"loss": error, "gradient": error, ...}` and `VERSIONS`."""


def measure(asked: Asked) -> Outcome:
    """All parts; in the quick form each takes its smallest cases."""
    found: dict[str, Mapping[str, Any]] = {}
    versions: dict[str, str] = {}
    for name in PARTS:
        part = import_module(name)
        about = {"part": name, "seed": asked.seed, "quick": asked.quick}
        found |= kept("parity", about, partial(part.compare, asked), ours=True)
        versions |= part.VERSIONS
    worst = {key: max(float(each[key]) for each in found.values()) for key in ("loss", "gradient")}
    return Outcome(
        holds=all(error <= BAR for error in worst.values()),
        value=worst,
        bar=f"relative error of loss and gradient <= {BAR:.0e} against each peer",
        detail=found,
        versions=versions,
    )


if __name__ == "__main__":
    run_bench("objectives.parity", measure, about=__doc__)
