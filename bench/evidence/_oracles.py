"""Slow, plain or foreign ways to the same numbers, and how far our statistics and metrics are from them.


Each function draws one random input, and gives the largest difference, relative where numbers are large.
"""

import gc
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.chrf import CHRF
from scipy import integrate, optimize, stats
from sklearn.metrics import brier_score_loss, f1_score
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from luthier.evaluate import forecast
from luthier.evaluate.metrics.labels import brier, calibration_error, label_counts, macro_f1
from luthier.evaluate.metrics.text import chrf, chrf_counts, corpus_chrf, rouge_l, token_f1
from luthier.evaluate.statistics.auc import auc
from luthier.evaluate.statistics.binary import mcnemar, tango, wilson
from luthier.evaluate.statistics.clustered import Sums, clustered_gain, document_errors, sum_by_document
from luthier.evaluate.statistics.contrast import contrast_between, contrast_within
from luthier.evaluate.statistics.cross_fit import se_factor
from luthier.evaluate.statistics.jackknife import jackknife_gain, mean_of_documents
from luthier.evaluate.statistics.power import Design, power_of
from luthier.evaluate.statistics.sequential import log_e
from luthier.evaluate.statistics.several import benjamini_hochberg, holm
from luthier.evaluate.statistics.swap import swap_test
from luthier.graders.matches import normalise

Random = np.random.Generator
ALPHA = 0.025
WORDS = ("eye", "ear", "skin", "bone", "the", "of", "a", "left", "right", "acute", "I10", "E11.9", "-", "München", "血")


def apart(ours: Iterable[float] | float, theirs: Iterable[float] | float) -> float:
    """Largest difference, relative to numbers above 1."""
    pairs = zip(np.atleast_1d(np.asarray(ours, float)), np.atleast_1d(np.asarray(theirs, float)), strict=True)
    return max(abs(one - other) / max(1.0, abs(other)) for one, other in pairs)


def clustered(random: Random) -> float:
    """CR2 and its degrees of freedom against the N x N projection and (I - H)^(-1/2)."""
    difference, document, task, weights = random_design(random)
    gain = clustered_gain(_sums(difference, document, task, weights), alpha=ALPHA)
    value, se, df = dense_cr2(difference, document, task, weights)
    reach = stats.t.ppf(1 - ALPHA, df) * se
    ours = gain.value, gain.se, gain.df, gain.low, gain.high
    return apart(ours, (value, se, df, value - reach, value + reach))


def uncorrected(random: Random) -> float:
    """The errors by document without their leverage are CR0: statsmodels' clustered covariance."""
    difference, document, _, _ = random_design(random)
    sums = _sums(difference, document, np.zeros_like(document), np.ones(1))
    plain = document_errors(sums) * np.sqrt(1 - sums.items[:, 0] / len(difference))
    fit = OLS(difference, np.ones((len(difference), 1))).fit(
        cov_type="cluster", cov_kwds={"groups": document, "use_correction": False, "df_correction": False}
    )
    return apart(math.sqrt(plain @ plain), fit.bse[0])


def one_item_each(random: Random) -> float:
    """One item a document is the paired t-test."""
    difference = random.normal(0.1, 1, random.integers(3, 60))
    documents = np.arange(len(difference))
    gain = clustered_gain(_sums(difference, documents, np.zeros_like(documents), np.ones(1)), alpha=ALPHA)
    plain = mean_of_documents(difference, alpha=ALPHA)
    interval = stats.ttest_1samp(difference, 0).confidence_interval(1 - 2 * ALPHA)
    return apart((gain.low, gain.high, plain.low, plain.high), (interval.low, interval.high) * 2)


def exact_mcnemar(random: Random) -> float:
    """scipy's binomtest."""
    won, lost = (int(count) for count in random.integers(0, 60, 2))
    theirs = stats.binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    return apart(mcnemar(won, lost), theirs)


def tango_roots(random: Random) -> float:
    """The bounds against the roots of the score whose nuisance maximises the likelihood numerically."""
    n = int(random.integers(10, 200))
    won, lost = random.multinomial(n, random.dirichlet([1.0, 1.0, 3.0]))[:2] * random.choice([1.0, 0.9])
    found = tango(won, lost, n=n, alpha=ALPHA)
    z = stats.norm.ppf(1 - ALPHA)
    middle = (won - lost) / n
    edge = 1e-9
    low, high = -1.0, 1.0
    if tango_score(-1 + edge, won, lost, n) > z:
        low = optimize.brentq(lambda d: tango_score(d, won, lost, n) - z, -1 + edge, middle - edge, xtol=1e-12)
    if tango_score(1 - edge, won, lost, n) < -z:
        high = optimize.brentq(lambda d: tango_score(d, won, lost, n) + z, middle + edge, 1 - edge, xtol=1e-12)
    return apart((found.low, found.high), (low, high))


def wilson_bounds(random: Random) -> float:
    """statsmodels' Wilson interval."""
    n = int(random.integers(1, 300))
    right = int(random.integers(0, n + 1))
    found = wilson(right, n=n, alpha=ALPHA)
    low, high = proportion_confint(right, n, alpha=2 * ALPHA, method="wilson")
    return apart((found.low, found.high), (max(0.0, low), min(1.0, high)))


def several_tests(random: Random) -> float:
    """statsmodels' multipletests, ties included."""
    p = np.round(random.random(random.integers(1, 25)) ** 3, 2)
    ours = [*holm(p), *benjamini_hochberg(p)]
    # statsmodels collects garbage in every call of Holm, for seconds where much is alive.
    gc.freeze()
    theirs = [*multipletests(p, method="holm")[1], *multipletests(p, method="fdr_bh")[1]]
    gc.unfreeze()
    return apart(ours, theirs)


def swap_exact(random: Random) -> float:
    """scipy's permutation_test over all sign patterns."""
    # Sums without rounding: scipy tells sums near 0 apart that differ in the last bit, where ours are ties.
    shares = random.choice([-0.25, 0.0, 0.125, 0.375], random.integers(2, 10))
    theirs = stats.permutation_test(
        (shares,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    return apart(swap_test(shares, alpha=ALPHA, seed=0).p, theirs.pvalue)


def swap_drawn(random: Random) -> float:
    """Random sign patterns against the exact answer: of +-1 it is a binomial one."""
    shares = random.choice([-1.0, 1.0], random.integers(14, 40))
    won = int((shares > 0).sum())
    theirs = stats.binomtest(won, len(shares), alternative="greater").pvalue
    return apart(swap_test(shares, alpha=ALPHA, seed=int(random.integers(1 << 30))).p, theirs)


def e_process(random: Random) -> float:
    """The mixture over chances of winning above one half, integrated numerically."""
    won, lost = (int(count) for count in random.integers(0, 120, 2))
    peak = min(max(won / max(won + lost, 1), 0.5), 1 - 1e-12)
    scale = won * math.log(2 * peak) + lost * math.log(2 - 2 * peak)

    def density(p: float) -> float:
        return 2 * math.exp(won * math.log(2 * p) + (lost * math.log(2 - 2 * p) if lost else 0.0) - scale)

    area, _ = integrate.quad(density, 0.5, 1 - 1e-15, points=[peak], epsabs=0, epsrel=1e-10, limit=200)
    return apart(log_e(won, lost), math.log(area) + scale)


def area_under_curve(random: Random) -> float:
    """AUC from scipy's mannwhitneyu; its variance from the double sum of DeLong (1988)."""
    first, second = (np.round(random.normal(shift, 1, random.integers(2, 40)), 1) for shift in (0.5, 0))
    found = auc(first, second, alpha=ALPHA)
    value = stats.mannwhitneyu(first, second).statistic / (len(first) * len(second))
    beats = (first[:, None] > second) + 0.5 * (first[:, None] == second)
    se = math.sqrt(np.var(beats.mean(axis=1), ddof=1) / len(first) + np.var(beats.mean(axis=0), ddof=1) / len(second))
    reach = stats.norm.ppf(1 - ALPHA) * se
    ours = found.value, found.se, found.low, found.high
    return apart(ours, (value, se, max(0.0, value - reach), min(1.0, value + reach)))


def contrasts(random: Random) -> float:
    """Same documents: the t-test of a - c b. Different ones: scipy's Welch test."""
    first, second = random.normal(0.3, 1, random.integers(3, 30)), random.normal(0.1, 2, random.integers(3, 30))
    times = float(random.choice([1.0, 0.25, 0.5]))
    few = min(len(first), len(second))
    document = np.arange(few)
    sums = [_sums(part[:few], document, np.zeros_like(document), np.ones(1)) for part in (first, second)]
    within = contrast_within(*sums, times=times, alpha=ALPHA)
    paired = stats.ttest_1samp(first[:few] - times * second[:few], 0).confidence_interval(1 - 2 * ALPHA)
    gains = [mean_of_documents(part, alpha=ALPHA) for part in (first, second)]
    between = contrast_between(*gains, times=times, alpha=ALPHA)
    welch = stats.ttest_ind(first, times * second, equal_var=False)
    interval = welch.confidence_interval(1 - 2 * ALPHA)
    ours = within.low, within.high, between.low, between.high, between.df
    return apart(ours, (paired.low, paired.high, interval.low, interval.high, welch.df))


def jackknife(random: Random) -> float:
    """Every document left out by a loop."""
    documents = int(random.integers(3, 20))
    tuned, base = random.integers(0, 9, (2, documents, 3)).astype(float) + 1

    def metric(counts: np.ndarray) -> np.ndarray:
        return 2 * counts[..., 0] / (counts[..., 1] + counts[..., 2])

    left = [
        metric(np.delete(tuned, place, axis=0).sum(axis=0)) - metric(np.delete(base, place, axis=0).sum(axis=0))
        for place in range(documents)
    ]
    se = math.sqrt((documents - 1) * np.var(left))
    return apart(jackknife_gain(tuned, base, metric, alpha=ALPHA).se, se)


def planned_power(random: Random) -> float:
    """Without a minimum effect, items beyond number: the noncentral t. Else the integral over the standard error."""
    design = Design(int(random.integers(6, 80)), 5, psi=float(random.uniform(0.1, 0.5)))
    gain, least = float(random.uniform(0.03, 0.2)), float(random.uniform(0.02, 0.1))
    df, se, step = design.documents - 1, design.se(gain), 1 / design.items
    critical = stats.t.ppf(1 - ALPHA, df)
    endless = replace(design, per_document=1e12)
    plain = stats.nct.sf(critical, df, gain / endless.se(gain))

    def found(ratio: float) -> float:
        needed = max(least, critical * ratio * se + step)
        return 2 * df * ratio * stats.chi2.pdf(df * ratio**2, df) * stats.norm.sf((needed - gain) / se)

    bend = (least - step) / se / critical
    area = sum(integrate.quad(found, *ends, epsabs=1e-10)[0] for ends in ((0, bend), (bend, bend + 3)))
    ours = power_of(endless, gain, alpha=ALPHA, minimum_effect=0.0), power_of(design, gain, minimum_effect=least)
    return apart(ours, (plain, area))


def law(random: Random) -> float:
    """The squared error of the fitted law against scipy's nnls at every point of the grid."""
    share = np.repeat([1 / 8, 1 / 4, 1 / 2, 1.0], 2)
    loss = random.uniform(0.2, 1) * share ** -random.uniform(0.1, 1) + random.uniform(0, 0.5)
    loss *= 1 + 0.02 * random.normal(size=len(share))
    fitted = forecast.fit_law(160 * share, loss[None], at=160 * share)[0]
    best = math.inf
    # A part of the grid: the whole takes seconds.
    for column in forecast._bases(share)[:: int(random.integers(30, 60))]:
        _, distance = optimize.nnls(np.stack([column, np.ones_like(column)], axis=1), loss)
        best = min(best, distance**2)
    return max(0.0, float(((fitted - loss) ** 2).sum()) - best)


def fold_factor(random: Random) -> float:
    """Nadeau and Bengio's corrected variance over the plain one."""
    folds = int(random.integers(2, 20))
    return apart(se_factor(folds) ** 2, (1 / folds + 1 / (folds - 1)) / (1 / folds))


def labels(random: Random) -> float:
    """scikit-learn's macro-F1 and Brier score; calibration by a loop over bins."""
    items, count = int(random.integers(20, 700)), int(random.integers(2, 6))
    probability = random.dirichlet(np.ones(count), items)
    gold = np.concatenate([np.arange(count), random.integers(0, count, items - count)])
    chosen = probability.argmax(axis=1)
    document = random.integers(0, 5, items)
    document[:5] = np.arange(5)
    counts = label_counts(gold, chosen, document_N=document, labels=count).sum(axis=0)
    ours = [float(macro_f1(np.arange(count), labels=count)(counts)), brier(probability, gold).mean()]
    theirs = [f1_score(gold, chosen, average="macro", zero_division=0)]
    theirs += [brier_score_loss(gold, probability, labels=np.arange(count), scale_by_half=False)]
    return apart([*ours, calibration_error(probability, gold)], [*theirs, _calibration(probability, gold)])


def texts(random: Random) -> float:
    """sacrebleu's chrF of a sentence and of a corpus, rouge-score's ROUGE-L, and token F1 by a loop."""
    pairs = [(_text(random), [_text(random) for _ in range(random.integers(1, 3))]) for _ in range(4)]
    oracle, rouge = CHRF(), RougeScorer(["rougeL"])
    ours, theirs = [], []
    for text, golds in pairs:
        ours += [chrf(text, golds), token_f1(text, golds)]
        theirs += [oracle.sentence_score(text, golds).score / 100, max(_token_f1(text, gold) for gold in golds)]
        ascii_text, *ascii_golds = (each.encode("ascii", "ignore").decode() for each in (text, *golds))
        ours.append(rouge_l(ascii_text, ascii_golds))
        theirs.append(max(rouge.score(gold, ascii_text)["rougeL"].fmeasure for gold in ascii_golds))
    counts = np.array([chrf_counts(text, golds) for text, golds in pairs], dtype=float).sum(axis=0)
    whole = oracle.corpus_score([text for text, _ in pairs], _streams([golds for _, golds in pairs]))
    return apart([*ours, float(corpus_chrf(counts))], [*theirs, whole.score / 100])


CLOSED, ROOTS, MONTE_CARLO = 1e-9, 1e-6, 1e-2
ORACLES: dict[str, tuple[Callable[[Random], float], float]] = {
    "CR2 and df: dense projection": (clustered, CLOSED),
    "CR0: statsmodels": (uncorrected, CLOSED),
    "one item a document: scipy ttest_1samp": (one_item_each, CLOSED),
    "McNemar: scipy binomtest": (exact_mcnemar, CLOSED),
    "Tango: maximised likelihood": (tango_roots, ROOTS),
    "Wilson: statsmodels": (wilson_bounds, CLOSED),
    "Holm, Benjamini-Hochberg: statsmodels": (several_tests, CLOSED),
    "swap test, exact: scipy permutation_test": (swap_exact, CLOSED),
    "swap test, drawn: binomial": (swap_drawn, MONTE_CARLO),
    "e-process: scipy quad": (e_process, ROOTS),
    "AUC and DeLong: scipy mannwhitneyu, double sum": (area_under_curve, CLOSED),
    "contrasts: scipy ttest_1samp, Welch": (contrasts, CLOSED),
    "jack-knife: loop": (jackknife, CLOSED),
    "power: scipy nct, double integral": (planned_power, ROOTS),
    "law of loss: scipy nnls": (law, CLOSED),
    "cross-fitting: corrected resampled t": (fold_factor, CLOSED),
    "macro-F1, Brier, calibration: scikit-learn, loop": (labels, CLOSED),
    "chrF, ROUGE-L, token F1: sacrebleu, rouge-score, loop": (texts, CLOSED),
}
"""What is checked -> how, and how far apart the two may be."""


def random_design(random: Random) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Differences, documents and tasks of items, and weights of tasks, each of which has at least two documents."""
    tasks, documents = int(random.integers(1, 4)), int(random.integers(4, 15))
    document = np.repeat(np.arange(documents), random.integers(1, 7, documents))
    task = random.integers(0, tasks, len(document))
    while len(document) < 2 * tasks:
        document, task = np.append(document, documents - 1), np.append(task, 0)
    task[: 2 * tasks] = np.arange(2 * tasks) % tasks
    document[: 2 * tasks] = np.repeat([0, 1], tasks)
    _, document = np.unique(document, return_inverse=True)
    return random.choice([-1.0, 0.0, 0.5, 1.0], len(document)), document, task, random.dirichlet(np.ones(tasks))


def dense_cr2(
    difference: np.ndarray, document: np.ndarray, task: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float]:
    """Bell-McCaffrey by the book: N x N projection, (I - H)^(-1/2) of every document's block."""
    n = len(difference)
    design = np.eye(len(weights))[task]
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    contrast = weights @ np.linalg.inv(design.T @ design) @ design.T
    residual = difference - hat @ difference
    rows = np.zeros((document.max() + 1, n))
    for g in range(document.max() + 1):
        inside = np.flatnonzero(document == g)
        rows[g, inside] = contrast[inside] @ _inverse_root(np.eye(len(inside)) - hat[np.ix_(inside, inside)])
    errors = rows @ residual
    one_effect = np.eye(document.max() + 1)[document]
    found = []
    for covariance in (np.eye(n), one_effect @ one_effect.T):
        gamma = rows @ (np.eye(n) - hat) @ covariance @ (np.eye(n) - hat).T @ rows.T
        found.append(np.trace(gamma) ** 2 / (gamma**2).sum())
    return float(contrast @ difference), math.sqrt(errors @ errors), min(found)


def tango_score(difference: float, won: float, lost: float, n: float) -> float:
    """The score statistic with the nuisance found by maximising the likelihood: a root of its derivative."""
    low, high = max(0.0, -difference), (1 - difference) / 2
    both = n - won - lost

    def slope(q: float) -> float:
        parts = ((won, q + difference, 1.0), (lost, q, 1.0), (both, 1 - 2 * q - difference, -2.0))
        return sum(sign * count / max(share, 1e-300) for count, share, sign in parts if count)

    inset = 1e-14 * (high - low)
    ends = slope(low + inset), slope(high - inset)
    q = low if ends[0] <= 0 else high if ends[1] >= 0 else optimize.brentq(slope, low + inset, high - inset, xtol=1e-16)
    return (won - lost - n * difference) / math.sqrt(n * (2 * q + difference - difference**2))


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    # Directions that the task means use up have eigenvalue 0: the pseudo-inverse leaves them out.
    roots = np.where(values > 1e-10, 1 / np.sqrt(np.maximum(values, 1e-10)), 0.0)
    return vectors @ np.diag(roots) @ vectors.T


def _sums(difference: np.ndarray, document: np.ndarray, task: np.ndarray, weights: np.ndarray) -> Sums:
    return sum_by_document(difference, document_N=document, task_N=task, weights_K=weights)


def _calibration(probability: np.ndarray, gold: np.ndarray) -> float:
    bins = max(1, min(15, len(gold) // 20))
    rows = sorted((max(row), place) for place, row in enumerate(probability.tolist()))
    size, extra = divmod(len(rows), bins)
    total, start = 0.0, 0
    for number in range(bins):
        part = rows[start : start + size + (number < extra)]
        start += len(part)
        right = sum(probability[place].argmax() == gold[place] for _, place in part) / len(part)
        total += len(part) / len(rows) * abs(right - sum(sure for sure, _ in part) / len(part))
    return total


def _text(random: Random) -> str:
    return " ".join(random.choice(WORDS, random.integers(0, 12)))


def _token_f1(text: str, gold: str) -> float:
    mine, wanted = normalise(text).split(), normalise(gold).split()
    shared = sum((Counter(mine) & Counter(wanted)).values())
    if not mine or not wanted:
        return float(mine == wanted)
    precision, recall = shared / len(mine), shared / len(wanted)
    return 2 * precision * recall / (precision + recall) if shared else 0.0


def _streams(golds: list[list[str]]) -> list[list[str | None]]:
    """References as sacrebleu wants them: all firsts, all seconds."""
    most = max(map(len, golds))
    return [[each[place] if place < len(each) else None for each in golds] for place in range(most)]
