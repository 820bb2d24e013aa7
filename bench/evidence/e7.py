"""E7: is a model that lost what its base could do called FORGOT, and one that lost nothing not?

A small model that has learnt to read has its weights disturbed at random until general text that it never read costs
0, 3 or 10 % more bits per byte; the gate of the report judges each. Of 100 seeds, FORGOT at least 95 times at 3 and at
10 %, at most 5 times at 0.
"""

import math
from collections import Counter

import torch
from bench.evidence._reader import general_documents, new_reader, read, teach
from bench.record import Asked, Outcome, run_bench, say
from transformers import LlamaForCausalLM

from luthier.evaluate.forget import retained_gate, retention

SEEDS, QUICK_SEEDS = 100, 4
STEPS, QUICK_STEPS = 600, 100
RISES = (0.0, 0.03, 0.10)
NOTHING = 5e-4
"""Rise that counts as none."""
PILOT = 48
"""Documents by which the strength of a disturbance is found."""
MARGIN = 0.01


def measure(asked: Asked) -> Outcome:
    """100 seeds at each rise; the quick form has 4 and a model that read for a few seconds."""
    seeds = QUICK_SEEDS if asked.quick else SEEDS
    exam, lessons = general_documents()
    reader = new_reader(asked.seed)
    teach(reader, lessons, steps=QUICK_STEPS if asked.quick else STEPS, seed=asked.seed)
    base = read(reader, exam)
    say(f"the base needs {sum(base) / math.log(2) / sum(len(text.encode()) for text in exam):.3f} bits per byte")
    found = {f"{rise:.0%}": _states(reader, exam, base, rise, seeds=seeds) for rise in RISES}
    say(str(found))
    forgot = {rise: states["FORGOT"] / seeds for rise, states in found.items()}
    return Outcome(
        holds=forgot["3%"] >= 0.95 and forgot["10%"] >= 0.95 and forgot["0%"] <= 0.05,
        value=forgot,
        bar="share of FORGOT >= .95 at 3 and 10 % more bits per byte, <= .05 at 0",
        detail={"seeds": seeds, "states": {rise: dict(states) for rise, states in found.items()}},
    )


def _states(reader: LlamaForCausalLM, exam: list[str], base: list[float], rise: float, *, seeds: int) -> Counter[str]:
    states: Counter[str] = Counter()
    sizes = [len(text.encode()) for text in exam]
    for seed in range(seeds):
        tuned = _disturbed(reader, exam, base, rise, seed=seed)
        columns = {"bytes": sizes, "base_nats": base, "tuned_nats": tuned}
        states[retained_gate(retention(columns, margin=MARGIN), {}, asked=[])["state"]] += 1
    return states


@torch.no_grad()
def _disturbed(reader: LlamaForCausalLM, exam: list[str], base: list[float], rise: float, *, seed: int) -> list[float]:
    """Nats of the exam after noise on every matrix, in proportion to its spread, of the strength that costs `rise`."""
    dice = torch.Generator().manual_seed(seed)
    kept = {name: weight.clone() for name, weight in reader.named_parameters() if weight.ndim > 1}
    noise = {name: torch.randn(weight.shape, generator=dice) * weight.std() for name, weight in kept.items()}
    weights = dict(reader.named_parameters())

    def put(strength: float) -> None:
        for name, weight in kept.items():
            weights[name].copy_(weight + strength * noise[name])

    # Of documents that are not in the pilot's sample the rise is what it is: the gate is judged on all of them.
    wanted, low, high = max(rise, NOTHING), 0.0, 1.0
    for _ in range(9):
        put((low + high) / 2)
        found = sum(read(reader, exam[:PILOT])) / sum(base[:PILOT]) - 1
        low, high = ((low + high) / 2, high) if found < wanted else (low, (low + high) / 2)
    put(high)
    nats = read(reader, exam)
    for name, weight in kept.items():
        weights[name].copy_(weight)
    return nats


if __name__ == "__main__":
    run_bench("evidence.e7", measure, about=__doc__)
