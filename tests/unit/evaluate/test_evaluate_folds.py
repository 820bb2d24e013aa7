"""Cross-fitting and forecasts: arithmetic on what several runs found."""

import math

import numpy as np
import pytest

from luthier.evaluate.folds import deal_folds, pool_folds, se_factor, widen
from luthier.evaluate.forecast import foresee
from luthier.evaluate.statistics.clustered import Gain


def test_groups_are_dealt_whole_evenly_and_the_same_each_time() -> None:
    groups = [f"file {number % 23}" for number in range(400)]
    folds = deal_folds(groups, seed=1)
    sizes = np.bincount(list(folds.values()))
    assert (len(folds), sizes.max() - sizes.min()) == (23, 1)
    assert folds == deal_folds(reversed(groups), seed=1) != deal_folds(groups, seed=2)


def test_pooled_folds_are_one_exam() -> None:
    parts = [
        {"item": ["b", "d"], "document": ["x", "x"], "difference": [1.0, 0.0]},
        {"item": ["a", "c"], "document": ["y", "z"], "difference": [-1.0, 0.5]},
    ]
    pooled = pool_folds(parts)
    assert pooled.items == ("a", "b", "c", "d")
    assert pooled.documents == ("y", "x", "z", "x")
    assert pooled.folds == (1, 0, 1, 0)
    assert pooled.differences.tolist() == [-1.0, 1.0, 0.5, 0.0]


def test_a_document_in_two_folds_is_our_own_mistake() -> None:
    part = {"item": ["a"], "document": ["x"], "difference": [1.0]}
    with pytest.raises(AssertionError, match="document x is in two folds"):
        pool_folds([part, part | {"item": ["b"]}])


def test_five_folds_widen_by_one_half() -> None:
    assert se_factor() == pytest.approx(1.5)
    gain = widen(Gain(0.1, 0.02, 19.0, 0.05, 0.15), alpha=0.025)
    assert (gain.value, gain.se, gain.df) == (0.1, pytest.approx(0.03), 19.0)
    assert gain.low == pytest.approx(0.1 - 2.093024 * 0.03, abs=1e-7)


PARTS = np.repeat([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0], 2)


def runs(law, *, noise: float = 0.002) -> tuple[np.ndarray, np.ndarray]:
    return 160 * PARTS, law(PARTS) * (1 + noise * np.random.default_rng(4).normal(size=len(PARTS)))


def test_a_steady_law_is_foretold() -> None:
    documents, loss = runs(lambda u: 0.4 / (0.5 + u**0.5) + 0.5)
    outlook = foresee(documents, loss, target=640, seed=0)
    assert outlook.reason == ""
    assert outlook.forecast.low < 0.4 / 2.5 + 0.5 < outlook.forecast.high < loss[-2:].mean()
    assert outlook == foresee(documents, loss, target=640, seed=0)


def test_where_nothing_is_left_to_learn_nothing_is_promised() -> None:
    outlook = foresee(*runs(lambda u: 0.9 + 0 * u), target=640, seed=0)
    assert "smaller than what can be foreseen" in outlook.reason


def test_a_law_that_breaks_is_not_predictable() -> None:
    outlook = foresee(*runs(lambda u: np.where(u < 1, 1 - 0.1 * np.log2(16 * u), 0.69)), target=320, seed=0)
    assert "did not foretell" in outlook.reason
    assert math.isfinite(outlook.back_test.low)
