"""The linear probe."""

import numpy as np

from luthier.evaluate.probe import STRENGTHS, fit_probe


def blobs(count, *, seed):
    random = np.random.default_rng(seed)
    gold = random.integers(0, 3, count)
    centres = np.random.default_rng(0).normal(0, 2, (3, 8))
    states = centres[gold] + random.normal(0, 1, (count, 8))
    # One dead direction and very unequal scales, as hidden states have them.
    return np.hstack([states * 10.0 ** np.arange(-4, 4), np.ones((count, 1))]), gold


def test_the_probe_learns_what_is_linear_and_repeats():
    train, validation, fresh = blobs(150, seed=1), blobs(60, seed=2), blobs(200, seed=3)
    probes = [fit_probe(*train, validation=validation, labels=4) for _ in range(2)]
    assert probes[0].strength in STRENGTHS
    assert probes[0].converged
    found = [probe.predict(fresh[0]) for probe in probes]
    assert (found[0] == found[1]).all()
    assert (found[0] == fresh[1]).mean() > 0.9


def test_without_validation_rows_the_smallest_strength_wins():
    train = blobs(60, seed=1)
    empty = np.zeros((0, 9)), np.zeros(0, dtype=np.int64)
    assert fit_probe(*train, validation=empty, labels=3).strength == STRENGTHS[0]
