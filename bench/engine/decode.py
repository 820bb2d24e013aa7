"""Decoding: 64 prompts x 48 new tokens greedily, and one stream, against `generate` of transformers on the same rows.

Ours and transformers' default (float32) alternate in one process on all cores; ours with an adapter, and theirs in
bfloat16, which answers otherwise, are shown beside them. Ids must be equal, or part where the two best logits in
float32 are nearly equal. Last, short answers to a part of an exam tell how long 1,000 take. Generated tokens per
second, reading the prompts included; memory is the largest of ours, before the peer is loaded.
"""

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from bench.engine._gate import peak_memory
from bench.engine._rows import standard_rows
from bench.record import Asked, Outcome, run_bench, say
from transformers import AutoModelForCausalLM

from luthier.models.adapters import AdapterShape, inject, lora_layers
from luthier.models.bases import Base, resolve_base
from luthier.models.chat import load_wording
from luthier.models.engines.choose import Chooser
from luthier.models.engines.engine import Sampling
from luthier.models.engines.hf import Engine
from luthier.models.load import load_model
from luthier.models.machine import use_all_cores
from luthier.objectives import objective
from luthier.records import Message

BASE = "smollm2-135m"
PROMPTS, TOKENS, ROUNDS = 64, 48, 3
BAR, STREAM_BAR = 5, 60
"""Times transformers; tokens per second of one stream."""
NEAR = 1e-3
"""Two logits (of about 20) nearer than this are a near-tie: rounding in another order moves them by a tenth of it."""
WORDS = (6, 40)
"""Of a prompt."""
SHORT = 16
"""Most tokens of a short answer."""
STREAMED = 129
"""Tokens of one stream."""
RANK = 16
"""Of the adapter."""
Rows = list[list[int]]


def measure(asked: Asked) -> Outcome:
    """Alternating rounds; the quick form is one round of 8 prompts."""
    use_all_cores()
    torch.manual_seed(asked.seed)
    base = resolve_base(BASE, relative_to=Path())
    engine = _engine(base, seed=asked.seed)
    count = 8 if asked.quick else PROMPTS
    prompts = _prompts(engine, count, seed=asked.seed)
    say(f"{count} prompts of {statistics.mean(map(len, prompts)):.0f} tokens on average, {TOKENS} new tokens each")
    memory = _memory(engine, prompts)
    plain = _load(base, torch.float32)
    _theirs(plain, prompts[:2])
    speeds: dict[str, list[float]] = {"luthier": [], "transformers": [], "luthier with an adapter": []}
    for number in range(1 if asked.quick else ROUNDS):
        speed, ours = _ours(engine, prompts)
        speeds["luthier"].append(speed)
        speed, theirs = _theirs(plain, prompts)
        speeds["transformers"].append(speed)
        speeds["luthier with an adapter"].append(_ours(engine, prompts, adapter=True)[0])
        say(f"round {number + 1}, tokens/s: " + ", ".join(f"{name} {each[-1]:.0f}" for name, each in speeds.items()))
    parted = _parted(plain, prompts, ours, theirs)
    say(f"{count - len(parted)} of {count} rows equal; gaps where the others part: {[f'{gap:.1e}' for gap in parted]}")
    streams = _streams(engine, prompts[: 1 if asked.quick else 4])
    half = _half(base, prompts, theirs)
    exam = _exam(engine, asked)
    ratio = statistics.median(one / other for one, other in zip(speeds["luthier"], speeds["transformers"], strict=True))
    say(f"Luthier is {ratio:.1f} times transformers in float32")
    equal = all(gap < NEAR for gap in parted)
    detail = {"speeds": speeds, "streams": streams, "gaps": parted, "memory": memory, "bfloat16": half, "exam": exam}
    return Outcome(
        holds=ratio >= BAR and equal and streams["luthier"] >= STREAM_BAR,
        value=round(ratio, 2),
        bar=f">= {BAR} x transformers, ids equal beyond gaps of {NEAR:.0e}, one stream >= {STREAM_BAR} tokens/s",
        peer=round(statistics.median(speeds["transformers"]), 1),
        detail=detail,
    )


def _engine(base: Base, *, seed: int) -> Engine:
    """The base beside an adapter on all linear layers that changes what it writes."""
    loaded = load_model(base, objective("chat"), dtype=torch.float32)
    inject(loaded.model, AdapterShape(rank=RANK, alpha=2 * RANK), skip=loaded.skip, seed=seed)
    for _, layer in lora_layers(loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=0.01)
    return Engine(loaded.model, wording=load_wording(base.folder), labels=(), has_adapter=True)


def _memory(engine: Engine, prompts: Rows) -> dict[str, int]:
    """Largest resident bytes with the model alone, with what writes, and after writing."""
    found = {"model": peak_memory()}
    engine.decoder(False)
    say(f"    {engine.reason}")
    found["ready"] = peak_memory()
    _ours(engine, prompts)
    found["written"] = peak_memory()
    say("largest memory: " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in found.items()))
    return found


def _prompts(engine: Engine, count: int, *, seed: int) -> Rows:
    """Chat prompts of a few words to a few sentences; all begin with the template's system message."""
    rows = standard_rows(count, seed=seed, wording=engine.wording)
    dice = random.Random(seed)
    prompts = []
    for row in rows:
        words = row[0]["content"].split()[: dice.randint(*WORDS)]
        prompts.append(list(engine.wording.prompt_ids([Message("user", " ".join(words))])))
    return prompts


def _load(base: Base, dtype: torch.dtype) -> Any:
    return AutoModelForCausalLM.from_pretrained(str(base.folder), dtype=dtype).eval()


def _ours(engine: Engine, prompts: Rows, *, adapter: bool = False) -> tuple[float, Rows]:
    """Tokens per second and the ids, end tokens not stopping a row."""
    decoder = engine.decoder(adapter)
    began = time.perf_counter()
    written = decoder.write(
        prompts,
        [Chooser(Sampling(TOKENS)) for _ in prompts],
        ends=(),
        context=engine.wording.context,
        report=lambda _: None,
    )
    return sum(map(len, written)) / (time.perf_counter() - began), written


def _theirs(model: Any, prompts: Rows) -> tuple[float, Rows]:
    """The same by `generate`: one batch, padded on the left."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    began = time.perf_counter()
    with torch.no_grad():
        found = model.generate(
            ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=TOKENS,
            min_new_tokens=TOKENS,
            eos_token_id=None,
            pad_token_id=0,
        )
    seconds = time.perf_counter() - began
    written = [row[longest:] for row in found.tolist()]
    return sum(map(len, written)) / seconds, written


def _parted(model: Any, prompts: Rows, ours: Rows, theirs: Rows) -> list[float]:
    """Gap of the two best float32 logits where two rows part, for every pair that does."""
    gaps = []
    for prompt, one, other in zip(prompts, ours, theirs, strict=True):
        if one != other:
            place = next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([prompt + one[:place]])).logits[0, -1]
            best = logits.topk(2)
            chosen = {one[place], other[place]}
            gaps.append(
                float(best.values[0] - best.values[1]) if chosen == set(best.indices.tolist()) else float("inf")
            )
    return gaps


def _streams(engine: Engine, prompts: Rows) -> dict[str, float]:
    """Tokens per second after the first, which waits for the prompt; the median of the prompts."""
    found = {}
    for name, adapter in (("luthier", False), ("luthier with an adapter", True)):
        found[name] = statistics.median(_stream(engine, prompt, adapter=adapter) for prompt in prompts)
        say(f"one stream, {name}: {found[name]:.0f} tokens/s")
    return found


def _stream(engine: Engine, prompt: Sequence[int], *, adapter: bool) -> float:
    stream = engine.decoder(adapter).stream(prompt, Sampling(STREAMED), ends=(), context=engine.wording.context)
    next(stream)
    began = time.perf_counter()
    count = sum(1 for _ in stream)
    return count / (time.perf_counter() - began)


def _half(base: Base, prompts: Rows, theirs: Rows) -> dict[str, float]:
    """Transformers in bfloat16: its speed, and how many rows stay those of float32."""
    speed, written = _theirs(_load(base, torch.bfloat16), prompts)
    same = sum(one == other for one, other in zip(written, theirs, strict=True))
    say(f"transformers in bfloat16: {speed:.0f} tokens/s, {same} of {len(prompts)} rows as in float32")
    return {"speed": speed, "same": same}


def _exam(engine: Engine, asked: Asked) -> dict[str, float]:
    """Seconds that 1,000 short answers take, from a part of them."""
    count = 16 if asked.quick else 256
    prompts = _prompts(engine, count, seed=asked.seed + 1)
    began = time.perf_counter()
    answers = engine.generate(prompts, adapter=False, max_tokens=SHORT)
    seconds = 1000 * (time.perf_counter() - began) / count
    mean = statistics.mean(len(answer.ids) for answer in answers)
    say(f"1,000 short answers of {mean:.0f} tokens on average would take {seconds:.0f} s")
    return {"seconds_of_1000": seconds, "answer_tokens": mean}


if __name__ == "__main__":
    run_bench("engine.decode", measure, about=__doc__)
