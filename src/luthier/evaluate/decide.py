"""Figures, gates and the verdict, from what was planned and measured: a pure function that `verify` runs again."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.clean import flagged_contrast
from luthier.evaluate.compare import (
    Figure,
    Sample,
    bare_means,
    compare_labels,
    compare_scores,
    compare_several,
    compare_spans,
    mean_of,
    sample_of,
    score_of,
)
from luthier.evaluate.cost import token_figures
from luthier.evaluate.forget import retention
from luthier.evaluate.further import further_figures
from luthier.evaluate.gates import FAILED, Gate, judge, passes
from luthier.evaluate.judge import judge_figures
from luthier.evaluate.memorise import memorised
from luthier.evaluate.metrics.units import UNBOUNDED, further_metrics, item_metric, oriented
from luthier.evaluate.overfit import UNITS, fit
from luthier.evaluate.remedy import missing_power
from luthier.evaluate.rivals import advise, face, rival_figures
from luthier.evaluate.slices import slice_gains
from luthier.evaluate.suites import suite_gains

LATE = (
    "This is look {look} at the exam. A model chosen after seeing this exam has a weakened guarantee; "
    "fresh documents restore it."
)


def conclude(record: Mapping[str, Any]) -> dict[str, Any]:
    """`figures`, `gates` and `verdict` of an evidence record, from its other keys alone."""
    figures = measure(record)
    gates = judge(record, figures)
    return {"figures": figures, "gates": gates, "verdict": decide(record, figures, gates)}


def measure(record: Mapping[str, Any]) -> dict[str, Any]:
    """Every figure: the gain and both arms under the primary metric, other metrics, slices, rivals, retention, cost.

    `base` is the arm that the plan set the tuned model against.
    """
    plan, items = record["plan"], record["items"]
    sample = sample_of(items["document"], items["task"], weights=plan["weights"])
    figures: dict[str, Any] = {"cost": token_figures(record["cost"])}
    if len(sample.chosen):
        faced = face(record)
        figures |= _primary(faced, sample)
        figures["slices"] = slice_gains(faced, sample)
        figures["rivals"] = rival_figures(record, sample)
        figures["flagged"] = flagged_contrast(faced, sample)
        figures |= {"further": found} if (found := further_figures(record)) else {}
    if plan["retention_margin"] is not None:
        figures["retention"] = retention(record["likelihood"]["GEN-TEST"], margin=plan["retention_margin"])
    figures["fit"] = fit(record["likelihood"], unit=UNITS.get(plan["objective"], "byte"))
    figures["memorised"] = memorised(record["likelihood"])
    return figures | suite_gains(record) | judge_figures(record)


def decide(record: Mapping[str, Any], figures: Mapping[str, Any], gates: Mapping[str, Gate]) -> dict[str, Any]:
    """SHIP if every gate passed, DON'T SHIP if one failed, else INCONCLUSIVE; always with every reason."""
    states = {name: gate["state"] for name, gate in gates.items()}
    if not passes("size", gates["size"]):
        verdict = "INCONCLUSIVE"
    elif any(state in FAILED for state in states.values()):
        verdict = "DON'T SHIP"
    else:
        verdict = "SHIP" if all(passes(*each) for each in gates.items()) else "INCONCLUSIVE"
    reasons = [reason for name in _order(verdict, gates) for reason in gates[name]["reasons"]]
    power = missing_power(record, figures, states)
    caveats = [LATE.format(look=record["look"]["number"])] if record["look"]["number"] > 1 else []
    caveats += record["environment"].get("caveats", [])
    advice = advise(record, figures)
    return {"verdict": verdict, "reasons": reasons, "advice": advice, "caveats": caveats, **power}


def _primary(record: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
    plan, scores = record["plan"], record["scores"]
    alpha, seed = record["look"]["alpha"], plan["seed"]
    name = item_metric(scores["base"])
    pairs = oriented(scores["tuned"][name], name), oriented(scores["base"][name], name)
    by_item = _by_item(record, name, sample)
    tally = {
        "won": sum(a > b for a, b in zip(*pairs, strict=True)),
        "lost": sum(a < b for a, b in zip(*pairs, strict=True)),
        "both_right": sum(a == b == 1 for a, b in zip(*pairs, strict=True)),
        "both_wrong": sum(a == b != 1 for a, b in zip(*pairs, strict=True)),
    }
    unfinished = {arm: sum(1 - ended for ended in scores[arm]["ended"]) for arm in ("base", "tuned")}
    further = {other: _by_item(record, other, sample) for other in further_metrics(scores["base"])}
    shown = {"items": tally, "unfinished": unfinished, **further}
    if plan["primary"] == name:
        return {**by_item, **shown}
    [(kind, counts)] = record["counts"].items()
    compare = {"labels": compare_labels, "several_labels": compare_several, "spans": compare_spans}[kind]
    corpus = compare(counts, sample=sample, alpha=alpha, seed=seed) if sample.can_be_measured else {}
    return {**corpus, **shown, name: by_item}


def _by_item(record: Mapping[str, Any], name: str, sample: Sample) -> dict[str, Figure]:
    """Both arms and the gain under a metric of single items."""
    scores, alpha = record["scores"], record["look"]["alpha"]
    if not sample.can_be_measured:
        return bare_means({arm: scores[arm][name] for arm in ("base", "tuned")}, metric=name, sample=sample)
    bounded = mean_of if name in UNBOUNDED else score_of
    arms = {arm: bounded(scores[arm][name], sample=sample, alpha=alpha) for arm in ("base", "tuned")}
    pairs = oriented(scores["tuned"][name], name), oriented(scores["base"][name], name)
    return {"gain": compare_scores(*pairs, sample=sample, alpha=alpha, seed=record["plan"]["seed"]), **arms}


def _order(verdict: str, gates: Mapping[str, Gate]) -> list[str]:
    """Gates that decided come first."""

    def rank(name: str) -> int:
        state = gates[name]["state"]
        if verdict == "SHIP":
            return 0
        return 0 if state in FAILED else 2 if passes(name, gates[name]) else 1

    return sorted(gates, key=rank)
