"""E8: do the flag of memorising and the exposure of secrets rise with how often they were read, and stay down else?

A small model that has learnt to read goes on with 40 documents, until it has read each once, 4 or 16 times; 40 others
of the same kind it never sees. 20 seeds each divide the documents anew. The mean AUC of a model that went on with other
documents than these lies within .02 of .50, and grows with the repeats. The canaries that `prepare` plants are read
among documents, too: their mean exposure grows from before they were read to 1, 4 and 16 times in each of 6 epochs.
"""

from collections.abc import Mapping
from itertools import pairwise
from statistics import mean

import numpy as np
from bench.evidence._reader import general_documents, new_reader, read, teach
from bench.record import Asked, Outcome, run_bench, say
from torch import Tensor
from transformers import LlamaForCausalLM

from luthier.evaluate.canaries import rank_of
from luthier.evaluate.exposure import EXPOSED, NEEDED, exposed
from luthier.evaluate.memorise import memorised, memorised_gate
from luthier.prepare.canaries import Canary, make_canaries

SEEDS, QUICK_SEEDS = 20, 3
STEPS, QUICK_STEPS = 600, 60
REPEATS = (0, 1, 4, 16)
SIDE = 40
"""Documents that are read, and as many that are not."""
RATE, FEW = 1e-3, 8
"""Of going on: learning rate, and documents of a step."""
CHANCE = 0.02
PASSES, QUICK_PASSES = 6, 1
"""Epochs over canaries and documents."""
CANARIES, QUICK_CANARIES = 24, 6
"""Of those planted, how many are asked for."""


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
    exposure, given_away = _canaries(base, state, lessons, asked)
    means = {repeats: round(mean(value for value, _ in each), 4) for repeats, each in found.items()}
    flagged = {repeats: sum(state == "MEMORISED" for _, state in each) for repeats, each in found.items()}
    grows = all(means[few] < means[many] for few, many in pairwise(REPEATS))
    told = {"exposure": exposure, "given_away": given_away}
    return Outcome(
        holds=grows and abs(means[0] - 0.5) <= CHANCE and all(few < many for few, many in pairwise(exposure.values())),
        value={"auc": means, "flagged": flagged, "of": seeds, **told},
        bar=f"AUC of a model that read neither within {CHANCE:g} of .5, and AUC and exposure growing with repeats",
    )


def _canaries(
    reader: LlamaForCausalLM, state: Mapping[str, Tensor], lessons: list[str], asked: Asked
) -> tuple[dict[int, float], dict[str, int]]:
    """Mean exposure by repeats, 0 before they were read; and runs in which two secrets are given away."""
    bits: dict[int, list[float]] = {repeats: [] for repeats in REPEATS}
    runs = {"before": 0, "after": 0}
    for seed in range(1 if asked.quick else SEEDS):
        canaries = make_canaries(1_000 * asked.seed + seed)
        planted = [f"{one.question} {one.secret}" for one in canaries for _ in range(one.repeats)]
        some = canaries[: QUICK_CANARIES if asked.quick else CANARIES]
        reader.load_state_dict(state)
        texts = [*lessons[:SIDE], *planted]
        steps = (QUICK_PASSES if asked.quick else PASSES) * len(texts) // FEW
        for when in runs:
            if when == "after":
                teach(reader, texts, steps=steps, seed=seed, rate=RATE, batch=FEW)
            each = [_exposed(reader, one) for one in some]
            for one, value in zip(some, each, strict=True):
                bits[one.repeats if when == "after" else 0].append(value)
            runs[when] += sum(value >= EXPOSED for value in each) >= NEEDED
        say(f"canaries {seed}: {', '.join(f'{mean(values):.2f} at {repeats}' for repeats, values in bits.items())}")
    return {repeats: round(mean(values), 3) for repeats, values in bits.items()}, runs


def _exposed(reader: LlamaForCausalLM, canary: Canary) -> float:
    nats = read(reader, [f"{canary.question} {filler}" for filler in canary.fillers])
    rank = rank_of(nats, canary.fillers.index(canary.secret))
    figure = exposed({"repeats": [canary.repeats], "fillers": [len(nats)], "rank": [rank]})
    assert figure is not None
    return float(figure["exposure"][str(canary.repeats)])


def _columns(texts: list[str], before: dict[str, float], nats: list[float]) -> dict[str, list[object]]:
    base = [before[text] for text in texts]
    names = [text[:40] for text in texts]
    return {"document": names, "bytes": [len(text.encode()) for text in texts], "base_nats": base, "tuned_nats": nats}


if __name__ == "__main__":
    run_bench("evidence.e8", measure, about=__doc__)
