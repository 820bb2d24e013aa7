"""Figures, gates and the verdict, from what was planned and measured: a pure function that `verify` runs again."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.answerable import answerable_figures, doubts
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
    psi_of,
    sample_of,
    score_of,
)
from luthier.evaluate.cost import token_figures
from luthier.evaluate.forget import distances, retention, task_figures
from luthier.evaluate.further import further_figures
from luthier.evaluate.gates import FAILED, Gate, judge, passes
from luthier.evaluate.judge import judge_figures
from luthier.evaluate.memorise import memorised
from luthier.evaluate.metrics.units import UNBOUNDED, further_metrics, item_metric, oriented
from luthier.evaluate.overfit import UNITS, fit
from luthier.evaluate.past_best import past_best
from luthier.evaluate.remedy import missing_power
from luthier.evaluate.rivals import advise, face, rival_figures
from luthier.evaluate.slices import slice_gains
from luthier.evaluate.statistics.several import holm
from luthier.evaluate.suites import suite_gains
from luthier.evaluate.watch import followed

LATE = (
    "This is look {look} at the exam. A model chosen after seeing this exam has a weakened guarantee; "
    "fresh documents restore it."
)


SPENT = (
    "The evidence is for the procedure: {folds} models that each left a part of the documents out. The model that "
    "ships learnt from all of them, by the same settings, and this exam is spent: only fresh documents can examine it."
)
EARLY = (
    "The exam ended after {documents} of {planned} documents, when the gain was shown. That the tuned model is better "
    "holds; by how much is told too high on average, and the interval is not covered."
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
    folds = plan.get("folds", 0)
    sample = sample_of(items["document"], items["task"], weights=plan["weights"], folds=folds)
    figures: dict[str, Any] = {"cost": token_figures(record["cost"])}
    if len(sample.chosen):
        faced = face(record)
        figures |= _primary(faced, sample)
        figures["slices"] = slice_gains(faced, sample)
        figures["psi"] = _psi(faced, sample)
        figures["rivals"] = rival_figures(record, sample)
        figures["flagged"] = flagged_contrast(faced, sample)
        figures |= {"further": found} if (found := further_figures(record)) else {}
        figures |= {"answerable": kinds} if (kinds := answerable_figures(record)) else {}
        if record["sequential"] is not None:
            figures["watch"] = followed(record)
            figures["gain"] = {**figures["gain"], "covered": not figures["watch"]["early"]}
    suites = max(1, (plan["retention_margin"] is not None) + len(plan["retention_tasks"]))
    if plan["retention_margin"] is not None:
        text = record["likelihood"]["GEN-TEST"]
        figures["retention"] = retention(text, margin=plan["retention_margin"], suites=suites)
    figures["apart"] = distances(record["apart"])
    figures["tasks"] = task_figures(
        record["general"], margin=plan["task_margin"], counted=plan["retention_tasks"], suites=suites
    )
    figures["fit"] = fit(record["likelihood"], unit=UNITS.get(plan["objective"], "byte"), folds=folds)
    figures["past_best"] = past_best(record)
    figures["memorised"] = memorised(record["likelihood"], record.get("canaries", {}))
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
    power = missing_power(record, figures, gates)
    caveats = [LATE.format(look=record["look"]["number"])] if record["look"]["number"] > 1 else []
    caveats += [SPENT.format(folds=record["plan"]["folds"])] if record.get("folds") else []
    caveats += _planning(record["frozen_plan"])
    if "watch" in figures and figures["watch"]["early"]:
        caveats.append(EARLY.format(**figures["watch"]))
    caveats += [*doubts(figures), *record["environment"].get("caveats", [])]
    advice = advise(record, figures)
    return {"verdict": verdict, "reasons": reasons, "advice": advice, "caveats": caveats, **power}


def _planning(frozen: Mapping[str, Any] | None) -> list[str]:
    """Whether what counts was settled before the model was trained."""
    if frozen is None:
        return ["No plan was kept when this model was trained: what counts may have been settled afterwards."]
    changes = [f"{name} was {then}, is {now}" for name, (then, now) in sorted(frozen["changed"].items())]
    return [f"The plan was changed after training began: {'; '.join(changes)}."] if changes else []


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
        return corrected({**by_item, **shown})
    [(kind, counts)] = record["counts"].items()
    compare = {"labels": compare_labels, "several_labels": compare_several, "spans": compare_spans}[kind]
    corpus = compare(counts, sample=sample, alpha=alpha, seed=seed) if sample.can_be_measured else {}
    return corrected({**corpus, **shown, name: by_item})


def _psi(record: Mapping[str, Any], sample: Sample) -> float | None:
    """How much answers differ, which planning another exam asks for; None where scores have no limits."""
    name = item_metric(record["scores"]["base"])
    if name in UNBOUNDED:
        return None
    return psi_of(*(record["scores"][arm][name] for arm in ("tuned", "base")), sample=sample)


def corrected(figures: dict[str, Any]) -> dict[str, Any]:
    """With Holm's p of the gain under every further metric: they are shown and never move the verdict."""
    gains = {name: figure["gain"] for name, figure in figures.items() if "gain" in figure}
    tested = {name: gain for name, gain in gains.items() if gain["p"] is not None}
    adjusted = dict(zip(tested, holm([gain["p"] for gain in tested.values()]).tolist(), strict=True))
    further = {
        name: {**figures[name], "gain": {**gain, "adjusted": adjusted.get(name)}} for name, gain in gains.items()
    }
    return {**figures, **further}


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
