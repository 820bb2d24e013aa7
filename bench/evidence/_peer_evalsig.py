"""Run by `peers` in evalsig's environment: exams to how often it finds a win, a regression, and lets a release pass."""

import json
import sys
from typing import Any

from evalsig import GateVerdict, ItemResult, RunFrame, compare, gate

RESAMPLES = 1_000
"""Of the bootstrap over clusters, a tenth of its default: else a thousand exams take an hour."""
LEAST = 0.02
"""`min_delta`, which has no default: Luthier's smallest gain worth shipping."""
OURS = 0.025
WAYS: dict[str, dict[str, Any]] = {"as it comes": {}, "clusters named": {"cluster": "document"}}


def judge(exams: list[list[str]], documents: list[str]) -> dict[str, dict[str, float]]:
    """`compare` and `gate` at their defaults, with and without the clusters, and the gate at Luthier's level."""
    found = {}
    for name, ways in WAYS.items():
        win = regression = ship = strict = 0
        for arms in exams:
            base, tuned = (_run(arm, answers, documents) for arm, answers in zip(("base", "tuned"), arms, strict=True))
            compared = compare(base, tuned, n_resamples=RESAMPLES, **ways)
            win += compared.significant and compared.delta > 0
            regression += compared.significant and compared.delta < 0
            released = gate(base, tuned, min_delta=LEAST, n_resamples=RESAMPLES, **ways)
            ship += released.verdict is GateVerdict.ALLOW
            # The level decides nothing but what p is held against.
            one_sided = released.comparison
            strict += one_sided.p_value < OURS and one_sided.delta >= LEAST
        rates = {"win": win, "regression": regression, "ship": ship, "ship at .025": strict}
        found[f"evalsig, {name}"] = {what: count / len(exams) for what, count in rates.items()}
    return found


def _run(name: str, answers: str, documents: list[str]) -> RunFrame:
    items = [
        ItemResult(item_id=f"{place:04}", score=float(digit), cluster_id=document)
        for place, (digit, document) in enumerate(zip(answers, documents, strict=True))
    ]
    return RunFrame(run_id=name, model_id=name, task_id="exam", metric_name="exact_match", items=items)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        cells: list[dict[str, Any]] = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump([judge(cell["exams"], cell["documents"]) for cell in cells], file)
