"""E9: do the forecast's 90 % intervals hold what more data really brings?

Nine laws of loss by documents x three sizes of noise: runs on 1/16, 1/8, 1/4, 1/2 and all of 160 documents, two seeds
each, 60 times. What a run on four times the documents then measures must lie in 85 % of all intervals printed: of those
for all nine laws, and of those for the seven that are of the family that is fitted; and for each of these and each
noise, less 3 Monte-Carlo standard errors. Where little can be said, nothing may be printed.
"""

import itertools

import numpy as np
from bench.evidence._grid import error
from bench.record import Asked, Outcome, run_bench, say

from luthier.evaluate.forecast import FARTHEST, foresee

DOCUMENTS, PARTS, SEEDS = 160, (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1), 2
NOISES = (0.002, 0.005, 0.01)
DRAWS, QUICK_DRAWS = 60, 10
LEAST = 0.85
OUTSIDE = "outside the family"
LAWS = {
    "power with a floor": lambda u: 0.18 * u**-0.3 + 0.6,
    "power without a floor": lambda u: u**-0.12,
    "steep": lambda u: 0.05 * u**-0.9 + 0.8,
    "small offset": lambda u: 0.4 / (0.5 + u**0.5) + 0.5,
    "large offset": lambda u: 1 / (5 + u**1.2) + 0.6,
    "little left to learn": lambda u: 0.01 * u**-0.5 + 0.9,
    "nothing to learn": lambda u: 0.9 + 0 * u,
    f"logarithm, {OUTSIDE}": lambda u: 1 - 0.04 * np.log(u),
    f"exponential, {OUTSIDE}": lambda u: 0.7 + 0.25 * np.exp(-1.5 * u),
}


def measure(asked: Asked) -> Outcome:
    """Every setting; the quick form draws each 10 times."""
    draws = QUICK_DRAWS if asked.quick else DRAWS
    random = np.random.default_rng(asked.seed)
    rows = []
    for (name, law), noise in itertools.product(LAWS.items(), NOISES):
        printed = held = 0
        for draw in range(draws):
            shown, inside = _once(law, noise, random=random, seed=draw)
            printed += shown
            held += shown and inside
        rows.append([name, noise, printed, held])
        say(f"{name}, noise {100 * noise:g} %: {printed} of {draws} printed, {held} of them held")
    family = [row for row in rows if not row[0].endswith(OUTSIDE)]
    low = [row for row in rows if row[2] and row[3] / row[2] < LEAST - error(LEAST, row[2])]
    kinds = {"all nine laws": rows, "the family that is fitted": family}
    found = {name: _covered(of, draws) for name, of in kinds.items()}
    least = {name: LEAST - (error(LEAST, each["printed"]) if asked.quick else 0) for name, each in found.items()}
    return Outcome(
        holds=not any(row in family for row in low) and all(found[name]["coverage"] >= least[name] for name in found),
        value=found,
        bar=f">= {LEAST:g} of all printed intervals, of both, and of each family setting less 3 Monte-Carlo errors",
        detail={"draws": draws, "low": low, "settings": rows},
    )


def _covered(rows: list[list], draws: int) -> dict[str, float]:
    """Of the intervals that were printed, the share that held."""
    printed, held = (sum(row[place] for row in rows) for place in (2, 3))
    return {"coverage": round(held / printed, 4), "printed": printed, "asked": draws * len(rows)}


def _once(law, noise: float, *, random: np.random.Generator, seed: int) -> tuple[bool, bool]:
    """Whether a forecast was printed, and whether its interval held what a new run measured."""
    share_R = np.repeat(PARTS, SEEDS)
    loss_R = law(share_R) * (1 + noise * random.normal(size=len(share_R)))
    outlook = foresee(DOCUMENTS * share_R, loss_R, target=FARTHEST * DOCUMENTS, seed=seed)
    measured = float(law(float(FARTHEST))) * (1 + noise * random.normal())
    return not outlook.reason, outlook.forecast.low <= measured <= outlook.forecast.high


if __name__ == "__main__":
    run_bench("evidence.e9", measure, about=__doc__)
