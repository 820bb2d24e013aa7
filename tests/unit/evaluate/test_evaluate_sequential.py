"""An exam that may stop early, and the studentised bootstrap beside the jack-knife."""

import math

import numpy as np
import pytest

from luthier.evaluate.statistics.jackknife import bootstrap_bounds, jackknife_gain
from luthier.evaluate.statistics.sequential import bet, drawn_order, log_e


def test_six_wins_in_a_row_are_not_yet_enough_and_eight_are() -> None:
    assert math.exp(log_e(6, 0)) < 40 < math.exp(log_e(8, 0))
    stopped = bet(np.ones(20), looks=range(2, 21, 2), alpha=0.025)
    assert (stopped.documents, stopped.won, stopped.lost, stopped.stopped) == (8, 8, 0, True)


def test_ties_are_skipped_and_losses_count_against() -> None:
    shares = np.array([1.0, 0.0, -1.0, 0.0, 1.0, 0.0])
    end = bet(shares, looks=[3, 6], alpha=0.025)
    assert (end.documents, end.won, end.lost, end.stopped) == (6, 2, 1, False)
    assert end.log_e == log_e(2, 1)


def test_a_long_run_of_losses_stays_finite() -> None:
    assert math.isfinite(log_e(0, 20_000))


def test_the_order_is_drawn_once_for_a_seed() -> None:
    order = drawn_order(50, seed=3)
    assert sorted(order.tolist()) == list(range(50))
    assert order.tolist() == drawn_order(50, seed=3).tolist() != drawn_order(50, seed=4).tolist()


def test_the_bootstrap_agrees_with_the_jackknife_where_all_is_regular() -> None:
    random = np.random.default_rng(8)
    gold, found = random.integers(5, 12, 40), random.integers(0, 5, (2, 40))
    base, tuned = (np.stack([gold - each, gold], axis=1).astype(float) for each in found)

    def metric(counts: np.ndarray) -> np.ndarray:
        return counts[..., 0] / counts[..., 1]

    gain = jackknife_gain(tuned, base, metric, alpha=0.025)
    low, high = bootstrap_bounds(tuned, base, metric, alpha=0.025, seed=0)
    assert (low, high) == pytest.approx((gain.low, gain.high), abs=0.25 * gain.se)
    assert (low, high) == bootstrap_bounds(tuned, base, metric, alpha=0.025, seed=0)
