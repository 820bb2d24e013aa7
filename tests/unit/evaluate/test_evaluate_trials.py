"""The simulated exams of E1 to E4 are what they say, and their reduced grids hold."""

import dataclasses

import numpy as np
import pytest
from bench.evidence import e1, e2, e3, e4, e12
from bench.evidence._trials import Cell, Exams, exams
from bench.record import Asked

from luthier.evaluate.compare import Sample, compare_scores

QUICK = Asked(seed=0, quick=True)


@pytest.mark.parametrize("bench", [e2, e3, e4])
def test_the_reduced_grid_holds(bench) -> None:
    assert bench.measure(QUICK).holds


def test_models_that_are_alike_are_seldom_told_apart() -> None:
    # Long tails among losses and rare losses of the margin: docs/decisions/0015.
    assert [row for row in e1.measure(QUICK).detail["over"] if row[0] == "false wins"] == []


def test_the_statistics_of_a_large_exam_are_the_same_bytes_each_time() -> None:
    assert e12.measure(QUICK).value["same_bytes"]


@pytest.mark.parametrize("cell", [Cell(20, 0.5, 0.2), Cell(30, 0.2, 0.3, "uneven"), Cell(20, 0.3, 0.3, skewed=True)])
@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_made_up_exams_have_the_gain_the_share_and_the_correlation_they_claim(cell: Cell, gain: float) -> None:
    cell = dataclasses.replace(cell, gain=gain)
    blocks = list(exams(cell, runs=4_000, random=np.random.default_rng(1)))
    sizes = np.concatenate([np.broadcast_to(each.sums.items, each.sums.sums.shape).ravel() for each in blocks])
    sums = np.concatenate([each.sums.sums.ravel() for each in blocks])
    won, lost = (np.concatenate([getattr(each, side) for each in blocks]).mean() for side in ("won_R", "lost_R"))
    assert won - lost == pytest.approx(gain, abs=0.01)
    assert won + lost == pytest.approx(cell.psi, abs=0.01)
    variance = cell.psi - gain**2
    # Var(sum of m items) = m v (1 + (m - 1) ICC).
    expected = variance * (sizes * (1 + (sizes - 1) * cell.icc)).sum()
    assert ((sums - sizes * gain) ** 2).sum() == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("cell", [Cell(8, 0.2, 0.3), Cell(20, 0.5, 0.1, "tasks"), Cell(12, 0.0, 0.4, "uneven")])
def test_many_exams_at_once_are_judged_as_one_is(cell: Cell) -> None:
    cell = dataclasses.replace(cell, gain=cell.psi / 2)
    block = next(exams(cell, runs=40, random=np.random.default_rng(3)))
    share_K = block.sums.weights / block.sums.items.sum(axis=0)
    # A document's items are all won, or all lost, as far as its sum goes.
    won_R, lost_R = ((np.maximum(side, 0) * share_K).sum(axis=(1, 2)) for side in (block.sums.sums, -block.sums.sums))
    block = Exams(block.sums, won_R, lost_R)
    low_R, high_R = block.bounds(0.025, around=0.0)
    shipped_R = block.significant(0.025)
    for run in range(len(low_R)):
        tuned, base, sample = _one_by_one(block, run)
        figure = compare_scores(tuned, base, sample=sample, alpha=0.025, seed=0)
        assert bool(figure["low"] > 0) == bool(low_R[run] > 0)
        assert bool(figure["high"] < 0) == bool(high_R[run] < 0)
        assert bool(figure["low"] > 0 and figure["p"] <= 0.025) == bool(shipped_R[run])


def _one_by_one(block, run: int) -> tuple[list[float], list[float], Sample]:
    """Scores of items whose sums are those of one run."""
    items_GK = block.sums.items.astype(int)
    places = np.argwhere(items_GK > 0)
    document = np.concatenate([np.full(items_GK[g, k], g) for g, k in places])
    task = np.concatenate([np.full(items_GK[g, k], k) for g, k in places])
    tuned, base = [], []
    for g, k in places:
        sums, size = int(block.sums.sums[run, g, k]), items_GK[g, k]
        tuned += [1.0] * max(sums, 0) + [0.0] * (size - max(sums, 0))
        base += [1.0] * max(-sums, 0) + [0.0] * (size - max(-sums, 0))
    return tuned, base, Sample(np.arange(len(document)), document, task, block.sums.weights)
