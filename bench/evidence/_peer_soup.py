"""Run by `peers` in Soup's environment: exams to how often its decision finds a win, a regression, and ships."""

import json
import sys
from typing import Any

from soup_cli.utils.ship_verdict import build_task_win, compute_benchmark_deltas, decide_ship


def judge(exams: list[list[str]]) -> dict[str, dict[str, float]]:
    """Its own rule with its own threshold; the general benchmark of an exam is the exam before it."""
    means = [[arm.count("1") / len(arm) for arm in arms] for arms in exams]
    wins = regressions = ships = 0
    for place, (base, tuned) in enumerate(means):
        before = [{"general": mean} for mean in means[place - 1]]
        deltas = compute_benchmark_deltas(*before)
        verdict = decide_ship(build_task_win("metric", base, tuned), deltas)
        wins += verdict.task_win.won
        regressions += any(delta.regressed for delta in verdict.benchmark_deltas)
        ships += verdict.decision == "SHIP"
    count = len(means)
    return {"Soup, soup ship": {"win": wins / count, "regression": regressions / count, "ship": ships / count}}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        cells: list[dict[str, Any]] = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump([judge(cell["exams"]) for cell in cells], file)
