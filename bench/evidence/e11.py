"""E11: do the statistics and metrics equal slow, plain or foreign ways to the same numbers?

Each against its oracle on 1,000 random inputs: closed forms and metrics to 1e-9, roots and integrals to 1e-6, and
chances found by drawing to .01, on average over the inputs and, with .02, on each.
"""

import importlib.metadata as metadata

import numpy as np
from bench.evidence._oracles import MONTE_CARLO, ORACLES
from bench.record import Asked, Outcome, run_bench, say

INPUTS, QUICK_INPUTS = 1_000, 20
PEERS = ("numpy", "scipy", "statsmodels", "sacrebleu", "rouge-score", "scikit-learn")


def measure(asked: Asked) -> Outcome:
    """Every oracle; the quick form draws 20 inputs."""
    inputs = QUICK_INPUTS if asked.quick else INPUTS
    furthest = {}
    for place, (name, (distance, allowed)) in enumerate(ORACLES.items()):
        random = np.random.default_rng([asked.seed, place])
        found = [distance(random) for _ in range(inputs)]
        # A chance of one half found by 9,999 draws has a standard error of .005.
        furthest[name] = float(np.mean(found) if allowed == MONTE_CARLO and max(found) <= 2 * allowed else max(found))
        say(f"{name}: {furthest[name]:.1e} apart, allowed {allowed:g}")
    over = [name for name, (_, allowed) in ORACLES.items() if not furthest[name] <= allowed]
    return Outcome(
        holds=not over,
        value={"oracles": len(ORACLES), "over": over},
        bar="<= 1e-9 closed forms and metrics, <= 1e-6 roots and quadrature, <= .01 Monte Carlo",
        detail={"inputs": inputs, "furthest": {name: float(f"{value:.2e}") for name, value in furthest.items()}},
        versions={name: metadata.version(name) for name in PEERS},
    )


if __name__ == "__main__":
    run_bench("evidence.e11", measure, about=__doc__)
