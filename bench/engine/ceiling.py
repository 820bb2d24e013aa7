"""How fast does this machine multiply matrices of the model's own shapes? The floor of training divides by this.

SmolLM2-135M in bfloat16 and float32: forward x W', gradient of the input dy W, gradient of the weights dy' x, at 256
to 2,048 tokens, in every form that torch offers in public: plain, over a transposed copy, over weights packed by
oneDNN, the head in blocks of the vocabulary, layers with one input stacked. Two threads on two cores; the fastest of
several repetitions counts.
"""

import json
import os
import subprocess
import sys
from typing import Any

import torch
from bench.engine._products import DTYPES, FULL, LORA, packed_error, step_floor
from bench.record import ROOT, Asked, Outcome, run_bench, say

BASE = "smollm2-135m"
LABELLED = 0.34
"""Share of tokens that carry loss in the standard rows."""
EXACT = 1.5
"""A packed product may be this many times as far from float64 as the plain one."""


def measure(asked: Asked) -> Outcome:
    """One process for each type; the quick form measures bfloat16 only."""
    found = {name: measured_products(BASE, name) for name in (["bfloat16"] if asked.quick else DTYPES)}
    errors = {name: packed_error(DTYPES[name]) for name in found}
    for name, products in found.items():
        _show(name, products)
        packed, plain = errors[name]
        say(f"  packed products are off by {packed:.1e} of the largest value, plain ones by {plain:.1e}")
    ways = {"lora": LORA, "full": FULL}
    floors = {
        name: {way: step_floor(products, labelled=LABELLED, uses=uses) for way, uses in ways.items()}
        for name, products in found.items()
    }
    for name, each in floors.items():
        for way in ways:
            own, square, operations = (each[way][key] for key in ("own", "square", "operations"))
            say(f"{name}, {way}: {operations / 1e6:.0f} million operations a token; floor {own:,.0f} tokens/s at the")
            say(f"  rates of the model's own shapes, {square:,.0f} tokens/s at the best square rate")
    return Outcome(
        holds=all(packed <= EXACT * plain for packed, plain in errors.values()),
        value={name: round(each["lora"]["own"], 1) for name, each in floors.items()},
        bar="none: tokens/s of a LoRA step if only the multiplications took time; holds if packed products are exact",
        peer={name: round(each["lora"]["square"], 1) for name, each in floors.items()},
        detail={"floors": floors, "errors": errors, "threads": torch.get_num_threads(), "products": found},
    )


def measured_products(base: str, dtype: str) -> dict[str, Any]:
    """What `bench.engine._products` finds, in a process of its own."""
    words = [sys.executable, "-m", "bench.engine._products", base, dtype]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"measuring products failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _show(name: str, products: dict[str, Any]) -> None:
    say(f"{name}: best square product {products['square'] / 1e9:.0f} GFLOP/s")
    say(f"  {'product':24} {'fastest form':18} {'tokens':>6} {'GFLOP/s':>8}   at 512 tokens, by form")
    rates = products["rates"]
    for key in dict.fromkeys((rate["kind"], rate["inputs"], rate["outputs"]) for rate in rates):
        rows = [rate for rate in rates if (rate["kind"], rate["inputs"], rate["outputs"]) == key]
        best = max(rows, key=lambda rate: rate["speed"])
        usual = ", ".join(f"{rate['form']} {rate['speed'] / 1e9:.0f}" for rate in rows if rate["tokens"] == 512)
        label = f"{key[0]} {key[1]} -> {key[2]}"
        say(f"  {label:24} {best['form']:18} {best['tokens']:6} {best['speed'] / 1e9:8.0f}   {usual}")


if __name__ == "__main__":
    run_bench("engine.ceiling", measure, about=__doc__)
