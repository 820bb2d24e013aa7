"""E12: how long do the statistics of a large exam take, on one thread?

100,000 items of 5 tasks from 1,000 documents: sample, gain with bounds and swap test, both arms, macro-F1 of ten labels
with jack-knife and swap test, and 20 slices with Benjamini-Hochberg, from lists as a report holds them; at most 2 s of
processor time, so that others on the machine do not count. Done thrice, the bytes must be equal.
"""

import time

import numpy as np
import orjson
from bench.record import Asked, Outcome, run_bench, say
from threadpoolctl import threadpool_limits

from luthier.evaluate.compare import compare_labels, compare_scores, sample_of, score_of
from luthier.evaluate.slices import slice_gains

ITEMS, TASKS, DOCUMENTS, LABELS, SLICES = 100_000, 5, 1_000, 10, 20
SECONDS, ALPHA = 2.0, 0.025
TIMES = 3


def measure(asked: Asked) -> Outcome:
    """The median of three; the quick form has a tenth of the items."""
    columns = made_up(ITEMS // (10 if asked.quick else 1), seed=asked.seed)
    seconds, walls, found = [], [], set()
    with threadpool_limits(1):
        for _ in range(TIMES):
            began, on_the_wall = time.process_time(), time.perf_counter()
            figures = figure_out(columns, seed=asked.seed)
            seconds.append(time.process_time() - began)
            walls.append(time.perf_counter() - on_the_wall)
            found.add(orjson.dumps(figures, option=orjson.OPT_SERIALIZE_NUMPY))
    took = sorted(seconds)[TIMES // 2]
    again = "the same" if len(found) == 1 else "OTHER"
    say(f"{took:.2f} s for {len(columns['document']):,} items; {again} bytes again")
    return Outcome(
        holds=took < SECONDS and len(found) == 1,
        value={"seconds": round(took, 3), "same_bytes": len(found) == 1},
        bar=f"< {SECONDS:g} s of one thread, same bytes for the same seed",
        detail={
            "seconds": [round(each, 3) for each in seconds],
            "walls": [round(each, 3) for each in walls],
            "items": len(columns["document"]),
        },
    )


def made_up(items: int, *, seed: int) -> dict[str, list]:
    """Columns of an exam and its scores."""
    random = np.random.default_rng(seed)
    effect = random.normal(0, 0.1, DOCUMENTS)
    document = random.integers(0, DOCUMENTS, items)
    base = random.random(items) < 0.5
    tuned = random.random(items) < np.where(base, 0.9, 0.25) + effect[document]
    gold = random.integers(0, LABELS, items)
    other = (gold + random.integers(1, LABELS, items)) % LABELS
    return {
        "document": [f"document {number}" for number in document],
        "task": [f"task {number}" for number in random.integers(0, TASKS, items)],
        "slice": random.integers(0, SLICES, items).tolist(),
        "base": base.astype(float).tolist(),
        "tuned": tuned.astype(float).tolist(),
        "gold": gold.tolist(),
        "base label": np.where(base, gold, other).tolist(),
        "tuned label": np.where(tuned, gold, other).tolist(),
    }


def figure_out(columns: dict[str, list], *, seed: int) -> dict[str, object]:
    """Every figure of such an exam."""
    sample = sample_of(columns["document"], columns["task"], weights={f"task {k}": 1 / TASKS for k in range(TASKS)})
    arms = columns["tuned"], columns["base"]
    scores = {arm: {"accuracy": columns[arm]} for arm in ("base", "tuned")}
    record = {"items": {"slice": columns["slice"]}, "scores": scores, "look": {"alpha": ALPHA}}
    labels = {"labels": LABELS, "gold": columns["gold"]}
    labels |= {arm: columns[f"{arm} label"] for arm in ("base", "tuned")}
    return {
        "gain": compare_scores(*arms, sample=sample, alpha=ALPHA, seed=seed),
        "arms": [score_of(arm, sample=sample, alpha=ALPHA) for arm in arms],
        "labels": compare_labels(labels, sample=sample, alpha=ALPHA, seed=seed),
        "slices": slice_gains(record, sample),
    }


if __name__ == "__main__":
    run_bench("evidence.e12", measure, about=__doc__)
