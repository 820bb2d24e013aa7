"""What each objective reaches on real data after the same tokens as its peer, over three seeds.

The difference is ours minus the peer's on the same held-out items, scores averaged over seeds, with a paired 95 %
interval. It holds if nobody's interval lies below zero. `objectives.ner` asks the same of taggers. Finished trainings
are kept in `bench/runs`: run again to go on.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bench.record import Asked, Outcome, run_bench

PARTS = (
    "bench.objectives._quality_classify",
    "bench.objectives._quality_embed",
    "bench.objectives._quality_chat",
    "bench.objectives._quality_prefer",
)
"""Modules with `compare(asked) -> case -> {"difference", "low", "high", "ours", "peer", ...}` and `VERSIONS`."""


def measure(asked: Asked) -> Outcome:
    """All parts; in the quick form each takes one seed and few rows."""
    found: dict[str, Mapping[str, Any]] = {}
    versions: dict[str, str] = {}
    for name in PARTS:
        part = import_module(name)
        found |= part.compare(asked)
        versions |= part.VERSIONS
    return Outcome(
        holds=all(each["high"] >= 0 for each in found.values()),
        value={name: [round(each[key], 4) for key in ("difference", "low", "high")] for name, each in found.items()},
        bar="no interval of (ours - peer's) below zero",
        peer={name: round(each["peer"], 4) for name, each in found.items()},
        detail=found,
        versions=versions,
    )


if __name__ == "__main__":
    run_bench("objectives.quality", measure, about=__doc__)
