"""Two arms on the same items -> what is known about the difference."""

# N items, G documents, K tasks, C labels

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from luthier.evaluate.metrics.labels import (
    label_counts,
    macro_f1,
    micro_f1,
    scored_labels,
    scored_of_several,
    several_counts,
)
from luthier.evaluate.metrics.spans import span_f1
from luthier.evaluate.metrics.units import oriented
from luthier.evaluate.statistics.binary import mcnemar, tango, wilson
from luthier.evaluate.statistics.clustered import (
    FloatArray,
    Gain,
    IntArray,
    Sums,
    clustered_gain,
    sum_by_document,
)
from luthier.evaluate.statistics.cross_fit import se_factor, widen
from luthier.evaluate.statistics.jackknife import Metric, jackknife_gain, jackknife_score, swap_corpus
from luthier.evaluate.statistics.power import design_effect
from luthier.evaluate.statistics.several import benjamini_hochberg
from luthier.evaluate.statistics.swap import SwapTest, swap_test

FEW = 10
"""Below this many differing documents the standard error collapses."""
Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """Who was sampled: items of the tasks that count, with documents and tasks numbered from 0."""

    chosen: IntArray
    """Positions of these items among all items of the exam."""
    document: IntArray
    task: IntArray
    weights: FloatArray
    widening: float = 1.0
    """What every standard error is multiplied by: models of several folds depend on each other."""

    @property
    def documents(self) -> int:
        """Number of documents."""
        return int(self.document.max()) + 1 if len(self.document) else 0

    @property
    def can_be_measured(self) -> bool:
        """Every task has at least two documents, so that there is a standard error."""
        if not len(self.chosen):
            return False
        per_task = [len(np.unique(self.document[self.task == task])) for task in range(len(self.weights))]
        return min(per_task) > 1


def sample_of(document: Sequence[str], task: Sequence[str], *, weights: Mapping[str, float], folds: int = 0) -> Sample:
    """Number the documents and tasks of the items whose task has a weight; `folds`: of cross-fitting."""
    names = sorted(weights)
    chosen = np.array([place for place, name in enumerate(task) if name in weights], dtype=np.int64)
    ids = [document[place] for place in chosen]
    _, numbers = np.unique(np.array(ids, dtype=object).astype(str), return_inverse=True)
    return Sample(
        chosen=chosen,
        document=numbers.astype(np.int64),
        task=np.array([names.index(task[place]) for place in chosen], dtype=np.int64),
        weights=np.array([weights[name] for name in names]),
        widening=se_factor(folds),
    )


def narrow(sample: Sample, keep_N: Sequence[bool]) -> Sample:
    """The part of a one-task view of the sample whose items are kept; documents are numbered anew."""
    inside = np.array([keep_N[place] for place in sample.chosen], dtype=bool)
    _, numbers = np.unique(sample.document[inside], return_inverse=True)
    zeros = np.zeros(int(inside.sum()), dtype=np.int64)
    return Sample(sample.chosen[inside], numbers.astype(np.int64), zeros, np.ones(1), sample.widening)


def compare_scores(tuned: Sequence[float], base: Sequence[float], *, sample: Sample, alpha: float, seed: int) -> Figure:
    """Figure of the mean gain with bounds (`bound_gain`) and its one-sided p: swap test, or McNemar's exact test
    where every item is its own document and scores are right or wrong.
    """
    figure = bound_gain(tuned, base, sample=sample, alpha=alpha)
    difference_N = _pick(tuned, sample) - _pick(base, sample)
    if figure["interval"] == "Tango":
        won, lost = int((difference_N > 0).sum()), int((difference_N < 0).sum())
        return {**figure, "p": mcnemar(won, lost), "test": "McNemar, exact"}
    test = swap_test(_sums(difference_N, sample).shares, alpha=alpha, seed=seed)
    return {**figure, "p": test.p, "test": _named(test)}


def bound_gain(tuned: Sequence[float], base: Sequence[float], *, sample: Sample, alpha: float) -> Figure:
    """Figure of the mean gain without a test: CR2 and Satterthwaite, widened by Tango where few documents differ.

    Where every item is its own document and scores are right or wrong: Tango's interval.
    """
    tuned_N, base_N = _pick(tuned, sample), _pick(base, sample)
    difference_N = tuned_N - base_N
    sums = _sums(difference_N, sample)
    gain, method = _wide(clustered_gain(sums, alpha=alpha), sample, alpha=alpha), "CR2, Satterthwaite"
    differing = int((sums.shares != 0).sum())
    if sample.documents == len(difference_N) and len(sample.weights) == 1 and _is_binary(tuned_N, base_N):
        # A standard error that is wider by a factor is that of as many fewer items, squared.
        counts = (difference_N > 0).sum(), (difference_N < 0).sum(), len(difference_N)
        won, lost, n = (float(count) / sample.widening**2 for count in counts)
        interval = tango(won, lost, n=n, alpha=alpha)
        gain, method = replace(gain, low=interval.low, high=interval.high), "Tango"
    elif differing < FEW:
        gain, method = _widened(gain, difference_N, sample, alpha=alpha), "wider of CR2 and Tango"
    shown = {"n": len(difference_N), "documents": sample.documents, "differing_documents": differing}
    return {**_figure(gain), **shown, "interval": method}


def bare_means(scores: Mapping[str, Sequence[float]], *, metric: str, sample: Sample) -> dict[str, Figure]:
    """Means of both arms and of the gain without bounds, where there are too few documents to bound them with."""
    tuned_N, base_N = (_pick(oriented(scores[arm], metric), sample) for arm in ("tuned", "base"))
    none = {name: None for name in ("low", "high", "se", "df")}
    shown = {"n": len(tuned_N), "documents": sample.documents}
    arms = {arm: {"value": float(_pick(scores[arm], sample).mean()), **none, **shown} for arm in ("base", "tuned")}
    differing = len(np.unique(sample.document[tuned_N != base_N]))
    tested = {"differing_documents": differing, "p": None, "test": "none", "interval": "none"}
    return {"gain": {"value": float((tuned_N - base_N).mean()), **none, **shown, **tested}, **arms}


def mean_of(scores: Sequence[float], *, sample: Sample, alpha: float) -> Figure:
    """Figure of one arm's mean, for numbers that are no shares."""
    score_N = _pick(scores, sample)
    return {
        **_figure(_wide(clustered_gain(_sums(score_N, sample), alpha=alpha), sample, alpha=alpha)),
        "n": len(score_N),
        "documents": sample.documents,
    }


def score_of(scores: Sequence[float], *, sample: Sample, alpha: float) -> Figure:
    """Figure of one arm's mean score; Wilson's interval where (nearly) every document says the same."""
    score_N = _pick(scores, sample)
    gain = _wide(clustered_gain(_sums(score_N, sample), alpha=alpha), sample, alpha=alpha)
    wrong = _sums(1 - score_N, sample)
    right = _sums(score_N, sample)
    if min((right.shares != 0).sum(), (wrong.shares != 0).sum()) < FEW:
        n = _effective_n(sample)
        interval = wilson(gain.value * n, n=n, alpha=alpha)
        gain = replace(gain, low=min(gain.low, interval.low), high=max(gain.high, interval.high))
    gain = replace(gain, low=max(0.0, gain.low), high=min(1.0, gain.high))
    return {**_figure(gain), "n": len(score_N), "documents": sample.documents}


def plain_mean(scores: Sequence[float], sample: Sample) -> float | None:
    """One arm's mean over the items of a sample, without weights; None of no items."""
    chosen = [scores[place] for place in sample.chosen]
    return math.fsum(chosen) / len(chosen) if chosen else None


def psi_of(tuned: Sequence[float], base: Sequence[float], *, sample: Sample) -> float:
    """sum_k w_k mean_k d^2: of right-or-wrong scores the share of items on which the two differ; Connor (1987)."""
    square_N = (_pick(tuned, sample) - _pick(base, sample)) ** 2
    return float(sum(weight * square_N[sample.task == task].mean() for task, weight in enumerate(sample.weights)))


def honest_se(gain: Figure, alpha: float) -> float:
    """The standard error, or what the half-width of a widened interval stands for where it collapsed."""
    half = (gain["high"] - gain["low"]) / 2
    return max(float(gain["se"]), float(half / stdtrit(gain["df"], 1 - alpha)))


def explored(rows: list[Figure]) -> list[Figure]:
    """Rows of parts of an exam with `adjusted`: Benjamini and Hochberg's p over those that have one."""
    chances = iter(benjamini_hochberg([row["p"] for row in rows if row["p"] is not None]).tolist())
    return [{**row, "adjusted": None if row["p"] is None else next(chances)} for row in rows]


def two_sided(gain: Figure, alpha: float) -> float:
    """Student's p of a gain or a loss, with the standard error that the interval stands for."""
    se = honest_se(gain, alpha)
    return 2 * float(stdtr(gain["df"], -abs(gain["value"]) / se)) if se > 0 else 1.0


def compare_labels(counts: Mapping[str, Any], *, sample: Sample, alpha: float, seed: int) -> dict[str, Figure]:
    """Figures of macro-F1: gain, base and tuned, by jack-knife; no bounds below 10 differing documents.

    `counts` holds the number of labels and, per item, the gold and each arm's predicted label.
    """
    labels = int(counts["labels"])
    gold_N = _pick_labels(counts["gold"], sample)
    kept = scored_labels(gold_N, sample.document, labels=labels)
    if not len(kept):
        return {}
    metric = macro_f1(kept, labels=labels)
    tuned_GV, base_GV = (
        label_counts(gold_N, _pick_labels(counts[arm], sample), document_N=sample.document, labels=labels)
        for arm in ("tuned", "base")
    )
    compare = partial(_compare_counts, tuned_GV, base_GV, sample=sample, alpha=alpha, seed=seed)
    return _shown(compare(metric), n=len(gold_N), documents=sample.documents, labels=len(kept))


def compare_spans(counts: Mapping[str, Any], *, sample: Sample, alpha: float, seed: int) -> dict[str, Any]:
    """Figures of entity span F1: gain, base and tuned, by jack-knife; and of every type of entity, exploratory.

    `counts` holds the number of types and, per item, each arm's true, false and missed entities by type.
    """
    types = int(counts["types"])
    tuned_GV, base_GV = (_item_counts(counts[arm], sample) for arm in ("tuned", "base"))
    figures = _compare_counts(tuned_GV, base_GV, span_f1(types=types), sample=sample, alpha=alpha, seed=seed)
    figures = _shown(figures, n=len(sample.chosen), documents=sample.documents, types=types)
    by_type = [_of_type(tuned_GV, base_GV, each, sample=sample, alpha=alpha) for each in range(types)]
    return {**figures, "by_type": explored(by_type)}


def _of_type(tuned_GV: FloatArray, base_GV: FloatArray, kind: int, *, sample: Sample, alpha: float) -> Figure:
    """F1 of both arms and the gain on one type; bounds only from 10 documents that differ in it."""
    types = tuned_GV.shape[1] // 3
    metric = span_f1(types=types, only=kind)
    own = [kind, types + kind, 2 * types + kind]
    gold_G = tuned_GV[:, own[0]] + tuned_GV[:, own[2]]
    gain = _wide(jackknife_gain(tuned_GV, base_GV, metric, alpha=alpha), sample, alpha=alpha)
    few = int((tuned_GV[:, own] != base_GV[:, own]).any(axis=1).sum()) < FEW
    return {
        "type": kind,
        "n": int(gold_G.sum()),
        "documents": int((gold_G > 0).sum()),
        "base": float(metric(base_GV.sum(axis=0))),
        "tuned": float(metric(tuned_GV.sum(axis=0))),
        "low": None if few else gain.low,
        "high": None if few else gain.high,
        "p": None if few else two_sided(_figure(gain), alpha),
    }


def _compare_counts(
    tuned_GV: FloatArray, base_GV: FloatArray, metric: Metric, *, sample: Sample, alpha: float, seed: int
) -> dict[str, Figure]:
    """Figures of a metric of the whole corpus; no bounds below 10 differing documents."""
    differing = int((tuned_GV != base_GV).any(axis=1).sum())
    gain = _figure(_wide(jackknife_gain(tuned_GV, base_GV, metric, alpha=alpha), sample, alpha=alpha))
    if differing < FEW:
        gain |= {"low": None, "high": None}
    test = swap_corpus(tuned_GV, base_GV, metric, alpha=alpha, seed=seed)
    tested = {"differing_documents": differing, "p": test.p, "test": _named(test), "interval": "jack-knife, t(G-1)"}
    arms = {
        arm: _inside(_wide(jackknife_score(counts_GV, metric, alpha=alpha), sample, alpha=alpha))
        for arm, counts_GV in (("base", base_GV), ("tuned", tuned_GV))
    }
    return {"gain": {**gain, **tested}, **arms}


def _shown(figures: Mapping[str, Figure], **sizes: int) -> dict[str, Any]:
    """Figures with what they were found on."""
    return {name: {**figure, **sizes} for name, figure in figures.items()}


def _item_counts(counts: Sequence[Sequence[int]], sample: Sample) -> FloatArray:
    """Counts of the items of each document, added up: [G, V]."""
    chosen_NV = np.array([counts[place] for place in sample.chosen], dtype=np.float64)
    summed_GV = np.zeros((sample.documents, chosen_NV.shape[1]))
    np.add.at(summed_GV, sample.document, chosen_NV)
    return summed_GV


def compare_several(counts: Mapping[str, Any], *, sample: Sample, alpha: float, seed: int) -> dict[str, Any]:
    """`compare_labels` of items that can have several labels, or none; micro-F1 beside it."""
    labels = int(counts["labels"])
    gold, tuned, base = ([counts[name][place] for place in sample.chosen] for name in ("gold", "tuned", "base"))
    kept = scored_of_several(gold, sample.document, labels=labels)
    if not len(kept):
        return {}
    counted = partial(several_counts, gold, document_N=sample.document, labels=labels)
    compare = partial(_compare_counts, counted(tuned), counted(base), sample=sample, alpha=alpha, seed=seed)
    shown = partial(_shown, n=len(gold), documents=sample.documents)
    macro = shown(compare(macro_f1(kept, labels=labels)), labels=len(kept))
    return {**macro, "micro_f1": shown(compare(micro_f1(labels=labels)), labels=labels)}


def _sums(value_N: FloatArray, sample: Sample) -> Sums:
    return sum_by_document(value_N, document_N=sample.document, task_N=sample.task, weights_K=sample.weights)


def _widened(gain: Gain, difference_N: FloatArray, sample: Sample, *, alpha: float) -> Gain:
    """Tango's interval on n' = effective items, with the weighted shares of items won and lost as counts."""
    n = _effective_n(sample)
    won, lost = (
        n * sum(weight * side[sample.task == task].mean() for task, weight in enumerate(sample.weights))
        for side in (np.maximum(difference_N, 0), np.maximum(-difference_N, 0))
    )
    interval = tango(float(won), float(lost), n=n, alpha=alpha)
    return replace(gain, low=min(gain.low, interval.low), high=max(gain.high, interval.high))


def _effective_n(sample: Sample) -> float:
    """n' = 1 / (DE sum_k w_k^2 / n_k), over the square of what the standard error is multiplied by."""
    n_K = np.bincount(sample.task, minlength=len(sample.weights))
    effect = design_effect(len(sample.chosen), sample.documents) * sample.widening**2
    return 1 / (effect * float((sample.weights**2 / n_K).sum()))


def _wide(gain: Gain, sample: Sample, *, alpha: float) -> Gain:
    return widen(gain, by=sample.widening, alpha=alpha)


def _is_binary(*arms: FloatArray) -> bool:
    return all(bool(np.isin(scores, (0.0, 1.0)).all()) for scores in arms)


def _pick(scores: Sequence[float], sample: Sample) -> FloatArray:
    return np.array(scores, dtype=np.float64)[sample.chosen]


def _pick_labels(labels: Sequence[int], sample: Sample) -> IntArray:
    return np.array(labels, dtype=np.int64)[sample.chosen]


def _figure(gain: Gain) -> Figure:
    return {"value": gain.value, "low": gain.low, "high": gain.high, "se": gain.se, "df": gain.df}


def _inside(gain: Gain) -> Figure:
    return {**_figure(gain), "low": max(0.0, gain.low), "high": min(1.0, gain.high)}


def _named(test: SwapTest) -> str:
    patterns = f"{test.draws:,} sign patterns"
    return f"swap test, all {patterns}" if test.exact else f"swap test, {patterns} drawn"
