"""E10: does `luthier verify` notice every edit, and how long does it take?

Evidence is made up of drawn answers and written as reports are. Of one with 200 items, 1,000 single bytes are changed,
one at a time; then 200 times one score or figure, by a forger who makes the file's own hash fit again. Evidence of
100,000 items is verified by the command itself, thrice. What is there must follow, and every edit must be caught.
"""

import json
import random
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import luthier

from luthier.artifacts.canonical import sha256_of
from luthier.evaluate.arms import Arm
from luthier.evaluate.looks import Look
from luthier.evaluate.report.evidence import Observed, Setting, assemble, evidence_bytes
from luthier.evaluate.verify import verify
from luthier.records import Item

SECONDS = 5.0
EDITS, FORGERIES, ITEMS = 1_000, 200, 100_000
SMALL, PER_DOCUMENT, TIMES = 200, 5, 3
FORGED = ("scores", "figures")


def measure(asked: Asked) -> Outcome:
    """The quick form makes a tenth of the edits, and the large exam a tenth as large."""
    edits, forgeries, items = (each // (10 if asked.quick else 1) for each in (EDITS, FORGERIES, ITEMS))
    dice = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "evidence.json"
        whole = evidence(SMALL, seed=asked.seed)
        missed_edits = _missed(edited(whole, dice), edits, path)
        say(f"{edits - len(missed_edits)} of {edits} changed bytes caught")
        missed_forgeries = _missed(forged(whole, dice), forgeries, path)
        say(f"{forgeries - len(missed_forgeries)} of {forgeries} numbers with a renewed hash caught")
        path.write_bytes(evidence(items, seed=asked.seed))
        ended = [luthier("verify", str(path), "--json") for _ in range(TIMES)]
    follows = all(each.result()["holds"] for each in ended)
    seconds = statistics.median(each.seconds for each in ended)
    say(f"{items:,} items: {seconds:.2f} s (median of {TIMES}), {'everything follows' if follows else 'PROBLEMS'}")
    caught = {"bytes": edits - len(missed_edits), "numbers": forgeries - len(missed_forgeries)}
    return Outcome(
        holds=follows and seconds < SECONDS and not missed_edits and not missed_forgeries,
        value={"seconds": round(seconds, 2), "items": items, "caught": caught},
        bar=f"< {SECONDS:g} s, everything follows, {edits:,} of {edits:,} bytes and {forgeries} of {forgeries} numbers",
        detail={"missed_edits": missed_edits, "missed_forgeries": missed_forgeries},
    )


def evidence(count: int, *, seed: int) -> bytes:
    """An evidence file about so many questions with three expected answers, of which the tuned model knows more."""
    drawn = np.random.default_rng(seed)
    golds = [f"answer {place % 3}" for place in range(count)]
    items = [
        Item(f"{place:016x}", f"document {place // PER_DOCUMENT}", "chat", (), (gold,), f"a.csv:{place}")
        for place, gold in enumerate(golds)
    ]
    base, tuned = (_arm(drawn.random(count) < chance) for chance in (0.4, 0.6))
    nats = drawn.uniform(200, 400, 60)
    names = [f"{place:016x}" for place in range(len(nats))]
    general = {"document": names, "bytes": [400] * len(nats), "base_nats": nats.tolist()}
    general["tuned_nats"] = (nats * np.exp(drawn.normal(0, 0.002, len(nats)))).tolist()
    documents = len({item.document for item in items})
    observed = Observed(items, base, tuned, (), {"GEN-TEST": general})
    return evidence_bytes(assemble(_setting(count, documents), observed))


def _arm(right: np.ndarray) -> Arm:
    scores = {"exact_match": right.astype(float).tolist(), "ended": [1.0] * len(right)}
    return Arm(("",) * len(right), (True,) * len(right), scores)


def _setting(items: int, documents: int) -> Setting:
    root, dataset = "e" * 64, "d" * 64
    about = {"claim": "SKILL", "objective": "chat", "primary": "exact_match", "against": "base"}
    about |= {"arms": ["base", "tuned"], "sequential": None, "memorised_blocks": False, "seed": 0}
    rules = {"alpha": 0.025, "minimum_effect": 0.02, "retention_margin": 0.01, "weights": {"chat": 1.0}}
    size = {"items": items, "documents": documents, "exam_root": root, "dataset_digest": dataset}
    plan = {**about, **rules, **size}
    clean = {"leaks": {}, "copied": {"items": items, "right": 0, "free": True}}
    return Setting(
        plan=plan,
        frozen_plan={"sha256": sha256_of(plan), "changed": {}},
        models={"base": {"name": "made up", "digest": "b", "arm": "base"}, "tuned": {"digest": "t"}},
        exam={"root": root, **clean, "dataset": dataset, "trained_on": dataset, "sealed_with": True},
        look=Look(1, 0.025, "l"),
        environment={},
    )


def _missed(attempts: Iterator[tuple[str, bytes]], count: int, path: Path) -> list[str]:
    """What verify did not notice, of the first `count` attempts."""
    missed = []
    for _, (what, content) in zip(range(count), attempts, strict=False):
        path.write_bytes(content)
        if not verify(path):
            missed.append(what)
    return missed


def edited(whole: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """Copies with one byte replaced by another."""
    while True:
        place = dice.randrange(len(whole))
        other = dice.choice([byte for byte in range(256) if byte != whole[place]])
        yield f"byte {place}: {other}", whole[:place] + bytes([other]) + whole[place + 1 :]


def forged(whole: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """Copies with one score or figure changed a little and the hash of the whole made to fit again."""
    plain = json.loads(whole)
    names = {key: list(_numbers(plain[key], (key,))) for key in FORGED}
    while True:
        path = dice.choice(names[dice.choice(FORGED)])
        record = json.loads(whole)
        holder: Any = record
        for key in path[:-1]:
            holder = holder[key]
        number = holder[path[-1]]
        # A score stays one that it can be; a figure moves by no more than a careful forger dares.
        holder[path[-1]] = 1 - number if path[0] == "scores" else number + (1 if isinstance(number, int) else 1e-6)
        del record["sha256"]
        record["sha256"] = sha256_of(record)
        yield ".".join(map(str, path)), evidence_bytes(record)


def _numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all numbers inside a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _numbers(inner, (*path, place))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


if __name__ == "__main__":
    run_bench("evidence.e10", measure, about=__doc__)
