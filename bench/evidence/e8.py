"""E8: does the flag of memorising rise with how often a document was read, and stay down where none was?

A small model that has learnt to read goes on with 40 documents, until it has read each once, 4 or 16 times; 40 others
of the same kind it never sees. 20 seeds each divide the documents anew. The mean AUC of a model that went on with other
documents than these lies within .02 of .50, and grows with the repeats.
"""

from itertools import pairwise
from statistics import mean

import numpy as np
from bench.evidence._reader import general_documents, new_reader, read, teach
from bench.record import Asked, Outcome, run_bench, say

from luthier.evaluate.memorise import memorised, memorised_gate

SEEDS, QUICK_SEEDS = 20, 3
STEPS, QUICK_STEPS = 600, 60
REPEATS = (0, 1, 4, 16)
SIDE = 40
"""Documents that are read, and as many that are not."""
RATE, FEW = 1e-3, 8
"""Of going on: learning rate, and documents of a step."""
CHANCE = 0.02


def measure(asked: Asked) -> Outcome:
    """20 seeds at each number of repeats; the quick form has 3."""
    seeds = QUICK_SEEDS if asked.quick else SEEDS
    documents, lessons = general_documents()
    base = new_reader(asked.seed)
    teach(base, lessons, steps=QUICK_STEPS if asked.quick else STEPS, seed=asked.seed)
    before = dict(zip(documents, read(base, documents), strict=True))
    state = {name: weight.clone() for name, weight in base.state_dict().items()}
    found: dict[int, list[tuple[float, str]]] = {}
    for repeats in REPEATS:
        for seed in range(seeds):
            order = np.random.default_rng([asked.seed, seed]).permutation(len(documents))
            sides = [[documents[place] for place in order[start : start + SIDE]] for start in (0, SIDE)]
            base.load_state_dict(state)
            # Who reads neither side reads others: that everything got easier must give nobody away.
            read_now = sides[0] if repeats else lessons[:SIDE]
            teach(base, read_now, steps=max(1, repeats) * SIDE // FEW, seed=seed, rate=RATE, batch=FEW)
            names = ("TRAIN", "TEST")
            sets = {name: _columns(side, before, read(base, side)) for name, side in zip(names, sides, strict=True)}
            figure = memorised({**sets, "VAL": {name: [] for name in sets["TEST"]}}, {})
            assert figure is not None
            found.setdefault(repeats, []).append((figure["value"], memorised_gate(figure, blocks=False)["state"]))
        say(f"{repeats} times: mean AUC {mean(value for value, _ in found[repeats]):.3f}")
    means = {repeats: round(mean(value for value, _ in each), 4) for repeats, each in found.items()}
    flagged = {repeats: sum(state == "MEMORISED" for _, state in each) for repeats, each in found.items()}
    grows = all(means[few] < means[many] for few, many in pairwise(REPEATS))
    return Outcome(
        holds=grows and abs(means[0] - 0.5) <= CHANCE,
        value={"auc": means, "flagged": flagged, "of": seeds},
        bar=f"AUC of a model that read neither within {CHANCE:g} of .5, and growing with repeats",
    )


def _columns(texts: list[str], before: dict[str, float], nats: list[float]) -> dict[str, list[object]]:
    base = [before[text] for text in texts]
    names = [text[:40] for text in texts]
    return {"document": names, "bytes": [len(text.encode()) for text in texts], "base_nats": base, "tuned_nats": nats}


if __name__ == "__main__":
    run_bench("evidence.e8", measure, about=__doc__)
