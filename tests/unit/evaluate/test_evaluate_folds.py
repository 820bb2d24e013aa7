"""Cross-fitting and forecasts: arithmetic on what several runs found."""

import json
import math
import re
from dataclasses import asdict

import numpy as np
import pytest

from luthier.evaluate.arms import Arm
from luthier.evaluate.compare import Sample, bound_gain, compare_labels, narrow, sample_of, score_of
from luthier.evaluate.fold_answers import _arm
from luthier.evaluate.folds import _all_labels, _renumbered
from luthier.evaluate.forecast import foresee
from luthier.evaluate.foresight import cross_fit_advice, foresight
from luthier.evaluate.overfit import fit
from luthier.evaluate.sitting import Sitting
from luthier.evaluate.statistics.binary import tango
from luthier.evaluate.statistics.clustered import Gain
from luthier.evaluate.statistics.cross_fit import se_factor, widen


def test_five_folds_widen_by_one_half() -> None:
    assert (se_factor(5), se_factor(0)) == (pytest.approx(1.5), 1)
    gain = widen(Gain(0.1, 0.02, 19.0, 0.05, 0.15), by=1.5, alpha=0.025)
    assert (gain.value, gain.se, gain.df) == (0.1, pytest.approx(0.03), 19.0)
    assert gain.low == pytest.approx(0.1 - 2.093024 * 0.03, abs=1e-7)


def samples(documents: int, each: int) -> tuple[Sample, Sample]:
    """The same items of one exam, and of one that five folds make."""
    names = [f"g{place // each}" for place in range(documents * each)]
    plain, folded = (sample_of(names, ["chat"] * len(names), weights={"chat": 1.0}, folds=folds) for folds in (0, 5))
    return plain, folded


@pytest.mark.parametrize("scores", ["gain", "arm"])
def test_figures_of_folds_have_the_wider_error(scores: str) -> None:
    random = np.random.default_rng(3)
    tuned, base = random.random(100), random.random(100)
    one, two = (
        bound_gain(tuned, base, sample=sample, alpha=0.025)
        if scores == "gain"
        else score_of(tuned, sample=sample, alpha=0.025)
        for sample in samples(20, 5)
    )
    assert two["se"] == pytest.approx(1.5 * one["se"])
    assert two["high"] - two["value"] == pytest.approx(1.5 * (one["high"] - one["value"]))
    assert (two["value"], two["df"]) == (one["value"], one["df"])


def test_items_of_their_own_count_as_fewer() -> None:
    tuned, base = np.arange(90) % 3 > 0, np.arange(90) % 9 > 5
    figure = bound_gain(tuned.astype(float), base.astype(float), sample=samples(90, 1)[1], alpha=0.025)
    won, lost = int((tuned > base).sum()), int((base > tuned).sum())
    expected = tango(won / 2.25, lost / 2.25, n=40, alpha=0.025)
    assert (figure["low"], figure["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_corpus_metric_and_a_part_of_an_exam_are_widened_alike() -> None:
    random = np.random.default_rng(5)
    counts = {"labels": 3, **{arm: random.integers(0, 3, 100).tolist() for arm in ("gold", "base", "tuned")}}
    one, two = (compare_labels(counts, sample=sample, alpha=0.025, seed=0) for sample in samples(20, 5))
    assert two["gain"]["se"] == pytest.approx(1.5 * one["gain"]["se"])
    assert two["gain"]["low"] < one["gain"]["low"] < one["gain"]["value"] == two["gain"]["value"]
    assert narrow(samples(20, 5)[1], [True, False] * 50).widening == pytest.approx(1.5)


def test_likelihoods_of_folds_have_the_wider_error() -> None:
    random = np.random.default_rng(6)
    columns = {"document": [f"{place // 2}" for place in range(40)], "bytes": [10] * 40, "base_nats": [9.0] * 40}
    sets = {name: {**columns, "tuned_nats": random.uniform(5, 9, 40).tolist()} for name in ("TRAIN", "VAL", "TEST")}
    one, two = (fit(sets, unit="byte", folds=folds) for folds in (0, 5))
    assert two["TEST"]["se"] == pytest.approx(1.5 * one["TEST"]["se"])


def test_labels_that_a_fold_does_not_know_keep_their_names() -> None:
    own, labels = ["O", "B-city", "I-city"], _all_labels([["O", "B-city", "I-city"], ["O", "B-bird", "B-city"]])
    assert sorted(labels) == ["B-bird", "B-city", "I-city", "O"]
    arm = Arm(("a", "b"), (True, True), {}, predicted=(0, 1), spans=((1, 2, 3), (4, 5, 6)), named=((0, 2), ()))
    found = _renumbered(Sitting(arm, arm), own, labels).tuned
    assert [labels[place] for place in found.predicted] == ["O", "B-city"]
    assert [[labels[place] for place in sorted(each)] for each in found.named] == [["O", "I-city"], []]
    assert found.spans == ((1, 0, 2, 0, 3, 0), (4, 0, 5, 0, 6, 0))


def test_an_arm_is_read_back_as_it_was() -> None:
    arm = Arm(("a",), (False,), {"exact_match": [1.0], "ended": [0.0]}, None, ((1, 2, 3),), None, ((5, 9),))
    assert _arm(json.loads(json.dumps(asdict(arm)))) == arm


def test_the_plan_says_what_folds_would_show_where_there_are_few_documents() -> None:
    plan = {"claim": "SKILL", "primary": "exact_match", "items": 30, "documents": 6, "alpha": 0.025}
    plan["minimum_effect"] = 0.02
    assert cross_fit_advice(plan, 24).startswith("evaluate.cross_fit: true would examine about 24 documents instead of")
    for other in ({"folds": 5}, {"claim": "KNOWLEDGE"}, {"primary": "spearman"}, {"sequential": {}}):
        assert cross_fit_advice({**plan, **other}, 24) == ""
    told = {groups: bool(cross_fit_advice(plan, groups)) for groups in (None, 9, 10, 24, 59, 60)}
    # Ten in folds show less than six held out: the error is wider by half.
    assert told == {None: False, 9: False, 10: False, 24: True, 59: True, 60: False}
    points = [int(re.search(r"(\d+) points", foresight({**plan, **folds}))[1]) for folds in ({}, {"folds": 5})]
    assert points[1] == pytest.approx(1.5 * points[0], abs=1)


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
