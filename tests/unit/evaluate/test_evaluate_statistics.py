"""The statistics against slow, plain oracles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from luthier.evaluate.metrics.labels import label_counts, macro_f1, scored_labels
from luthier.evaluate.statistics.binary import mcnemar, tango, wilson
from luthier.evaluate.statistics.clustered import clustered_gain, sum_by_document
from luthier.evaluate.statistics.jackknife import jackknife_gain, mean_of_documents, swap_corpus
from luthier.evaluate.statistics.power import documents_needed, foreseen_mde, items_needed, mde
from luthier.evaluate.statistics.swap import swap_test


def inverse_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    # Directions that the task means use up have eigenvalue 0: the pseudo-inverse leaves them out.
    roots = np.where(values > 1e-10, 1 / np.sqrt(np.maximum(values, 1e-10)), 0.0)
    return vectors @ np.diag(roots) @ vectors.T


def dense_cr2(difference, document, task, weights):
    """Bell-McCaffrey by the book: N x N projection, (I - H)^(-1/2) of every document's block."""
    n = len(difference)
    design = np.eye(len(weights))[task]
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    contrast = weights @ np.linalg.inv(design.T @ design) @ design.T
    residual = difference - hat @ difference
    rows = np.zeros((document.max() + 1, n))
    for g in range(document.max() + 1):
        inside = np.flatnonzero(document == g)
        block = np.eye(len(inside)) - hat[np.ix_(inside, inside)]
        rows[g, inside] = contrast[inside] @ inverse_root(block)
    errors = rows @ residual
    one_effect = np.eye(document.max() + 1)[document]
    found = []
    for covariance in (np.eye(n), one_effect @ one_effect.T):
        centred = np.eye(n) - hat
        gamma = rows @ centred @ covariance @ centred.T @ rows.T
        found.append(np.trace(gamma) ** 2 / (gamma**2).sum())
    return contrast @ difference, math.sqrt(errors @ errors), min(found)


def random_design(seed):
    random = np.random.default_rng(seed)
    tasks = int(random.integers(1, 4))
    documents = int(random.integers(4, 15))
    document = np.repeat(np.arange(documents), random.integers(1, 7, documents))
    task = random.integers(0, tasks, len(document))
    task[: 2 * tasks] = np.arange(2 * tasks) % tasks
    document[: 2 * tasks] = np.repeat([0, 1], tasks)
    _, document = np.unique(document, return_inverse=True)
    weights = random.dirichlet(np.ones(tasks))
    return random.choice([-1.0, 0.0, 0.5, 1.0], len(document)), document, task, weights


@pytest.mark.parametrize("seed", range(60))
def test_cr2_and_degrees_of_freedom_equal_the_dense_projection(seed):
    difference, document, task, weights = random_design(seed)
    sums = sum_by_document(difference, document_N=document, task_N=task, weights_K=weights)
    gain = clustered_gain(sums, alpha=0.025)
    value, se, df = dense_cr2(difference, document, task, weights)
    assert gain.value == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert gain.se == pytest.approx(se, rel=1e-9, abs=1e-12)
    assert gain.df == pytest.approx(df, rel=1e-7)
    assert sums.shares.sum() == pytest.approx(value, abs=1e-12)


def test_one_item_per_document_is_the_paired_t_test():
    difference = np.random.default_rng(1).normal(0.2, 1, 25)
    zeros = np.zeros(25, dtype=np.int64)
    sums = sum_by_document(difference, document_N=np.arange(25), task_N=zeros, weights_K=np.ones(1))
    gain = clustered_gain(sums, alpha=0.025)
    oracle = stats.ttest_1samp(difference, 0)
    interval = oracle.confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert gain.df == pytest.approx(24, rel=1e-12)
    assert mean_of_documents(difference, alpha=0.025).low == pytest.approx(interval.low, rel=1e-9)


@pytest.mark.parametrize("size", [3, 8, 13])
def test_swap_test_is_exact_up_to_thirteen_documents(size):
    shares = np.random.default_rng(size).choice([-0.2, 0.0, 0.1, 0.3], size)
    found = swap_test(shares, alpha=0.025, seed=0)
    oracle = stats.permutation_test(
        (shares,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert found.exact
    assert found.p == pytest.approx(oracle.pvalue, abs=1e-12)


def test_swap_test_draws_agree_with_the_exact_answer_and_repeat():
    shares = np.concatenate([np.ones(9), -np.ones(5)]) / 30
    found = swap_test(shares, alpha=0.025, seed=3)
    assert not found.exact
    assert found.p == pytest.approx(stats.binomtest(9, 14, alternative="greater").pvalue, abs=0.015)
    assert found == swap_test(shares, alpha=0.025, seed=3)


def test_five_documents_can_never_reach_the_level():
    assert swap_test(np.ones(5), alpha=0.025, seed=0).p > 0.025


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_binomial_test(won, lost):
    oracle = stats.binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(oracle, rel=1e-9)


def tango_score(difference, won, lost, n):
    """The score statistic with the nuisance found by maximising the likelihood numerically."""

    def minus_likelihood(q):
        cells = ((won, q + difference), (lost, q), (n - won - lost, 1 - 2 * q - difference))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    q = optimize.minimize_scalar(minus_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    variance = n * (2 * q + difference - difference**2)
    return (won - lost - n * difference) / math.sqrt(variance)


@pytest.mark.parametrize(("won", "lost", "n"), [(9, 3, 40), (20, 1, 60), (5, 12, 44), (2, 2, 15), (7.4, 2.1, 30.5)])
def test_tango_bounds_are_roots_of_the_maximised_likelihood(won, lost, n):
    interval = tango(won, lost, n=n, alpha=0.025)
    z = stats.norm.ppf(0.975)
    assert tango_score(interval.low, won, lost, n) == pytest.approx(z, abs=1e-5)
    assert tango_score(interval.high, won, lost, n) == pytest.approx(-z, abs=1e-5)


def test_tango_never_rules_out_a_gain_when_nothing_differs():
    interval = tango(0, 0, n=100, alpha=0.025)
    z = stats.norm.ppf(0.975)
    assert interval.high == pytest.approx(z**2 / (100 + z**2), rel=1e-9)
    assert interval.low == pytest.approx(-interval.high, rel=1e-12)
    assert tango(30, 0, n=30, alpha=0.025).high == 1.0


@given(st.integers(0, 30), st.integers(1, 30))
def test_wilson_is_scipys(right, extra):
    n = right + extra
    oracle = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    found = wilson(right, n=n, alpha=0.025)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_jackknife_of_a_mean_is_its_standard_error():
    random = np.random.default_rng(5)
    tuned, base = random.normal(1, 1, (20, 1)), random.normal(0, 1, (20, 1))
    gain = jackknife_gain(tuned, base, lambda counts: counts[..., 0] / 20, alpha=0.025)
    # Leaving out one document changes the sum, not the divisor: the jack-knife is then that of a total.
    difference = (tuned - base)[:, 0]
    expected = math.sqrt(19 / 20 * ((difference - difference.mean()) ** 2).sum()) / 20
    assert gain.se == pytest.approx(expected, rel=1e-9)
    assert gain.df == 19


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_macro_f1_is_scikit_learns(seed):
    from sklearn.metrics import f1_score

    random = np.random.default_rng(seed)
    gold, predicted, document = (random.integers(0, top, 60) for top in (4, 4, 15))
    _, document = np.unique(document, return_inverse=True)
    kept = scored_labels(gold, document, labels=4)
    counts = label_counts(gold, predicted, document_N=document, labels=4).sum(axis=0)
    oracle = f1_score(gold, predicted, labels=kept, average="macro", zero_division=0)
    assert float(macro_f1(kept, labels=4)(counts)) == pytest.approx(oracle, rel=1e-12)


def test_rare_labels_are_not_averaged():
    gold = np.array([0, 0, 0, 1, 1, 1])
    document = np.array([0, 1, 2, 0, 0, 1])
    assert scored_labels(gold, document, labels=3).tolist() == [0]


def test_swapping_documents_of_a_corpus_metric_is_exact_when_few_differ():
    tuned = np.array([[3.0], [2.0], [2.0], [1.0]])
    base = np.array([[1.0], [1.0], [2.0], [2.0]])
    found = swap_corpus(tuned, base, lambda counts: counts[..., 0], alpha=0.025, seed=0)
    shares = (tuned - base)[:, 0]
    assert found.exact
    assert found.p == swap_test(shares, alpha=0.025, seed=0).p == 3 / 8


def test_mde_and_documents_needed_follow_the_formulas():
    t, power = stats.t.ppf(0.975, 39), stats.t.ppf(0.8, 39)
    assert mde(0.04, 39, alpha=0.025, minimum_effect=0.02) == pytest.approx((t + power) * 0.04, rel=1e-9)
    assert mde(0.001, 39, alpha=0.025, minimum_effect=0.02) == pytest.approx(0.02 + power * 0.001, rel=1e-9)
    more = documents_needed(0.05, 0.04, documents=40, df=39, alpha=0.025, minimum_effect=0.02)
    assert more == math.ceil(40 * 0.04**2 * max((t + power) / 0.05, power / 0.03) ** 2)
    settled = documents_needed(0.0, 0.04, documents=40, df=39, alpha=0.025, minimum_effect=0.02)
    assert settled == math.ceil(40 * 0.04**2 * ((t + power) / 0.02) ** 2)


@pytest.mark.parametrize(
    ("delta", "psi", "n"), [(0.01, 0.05, 3923), (0.02, 0.2, 3923), (0.05, 0.1, 312), (0.1, 0.4, 312), (0.2, 0.3, 57)]
)
def test_items_needed_is_the_published_table(delta, psi, n):
    assert items_needed(delta, psi=psi) == n


def test_foresight_needs_documents_not_items():
    assert foreseen_mde(1000, 5) is None
    assert foreseen_mde(29, 29) is None
    few, many = foreseen_mde(200, 10), foreseen_mde(200, 100)
    assert few is not None
    assert many is not None
    assert many < few
