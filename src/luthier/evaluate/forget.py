"""RETAINED or FORGOT: what the base could do before, in likelihood of general text and in general tasks."""

# G documents

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from luthier.evaluate.compare import Figure, bound_gain, sample_of, score_of
from luthier.evaluate.metrics.text import bits_per_byte
from luthier.evaluate.statistics.jackknife import mean_of_documents

ALPHA = 0.05
"""One-sided: of RETAINED for each suite, of FORGOT for all of them together."""
POWER = 0.8
FEWEST_DOCUMENTS = 6
ADVICE = "Train with a smaller learning rate, fewer epochs or a smaller train.scale, and evaluate again."
LONGER = (
    "Lower train.scale or the learning rate; ask more tasks (evaluate.general_items); or accept a wider "
    "evaluate.retention_margin or evaluate.task_margin, in the plan."
)
WORDS = {
    "RETAINED": "was kept",
    "FORGOT": "was lost",
    "INCONCLUSIVE": "is not shown to be kept",
}


def retention(likelihood: Mapping[str, Any], *, margin: float, suites: int = 1) -> Figure:
    """Mean over documents of r_g = -ln(nats_tuned / nats_base) with t(G-1) bounds, and bits per byte of both arms.

    `likelihood` has columns document, bytes, base_nats, tuned_nats; `margin` is the accepted rise in bits per byte as a
    share, so the limit is -ln(1 + margin). `lost_below` is the upper bound, at .05 / `suites`, that FORGOT needs below
    0. Fewer than 6 documents: no bounds.
    """
    base_G, tuned_G, bytes_G = (np.array(likelihood[name], float) for name in ("base_nats", "tuned_nats", "bytes"))
    documents = len(base_G)
    bits = {
        "base_bits_per_byte": _bits(base_G.sum(), bytes_G.sum()),
        "tuned_bits_per_byte": _bits(tuned_G.sum(), bytes_G.sum()),
        "documents": documents,
        "limit": -math.log1p(margin),
    }
    if documents < FEWEST_DOCUMENTS:
        return {name: None for name in ("value", "low", "high", "lost_below", "se", "df")} | bits
    ratios_G = -np.log(tuned_G / base_G)
    mean, strict = (mean_of_documents(ratios_G, alpha=alpha) for alpha in (ALPHA, ALPHA / suites))
    bounds = {"low": mean.low, "high": mean.high, "lost_below": strict.high}
    return {"value": mean.value, **bounds, "se": mean.se, "df": mean.df, **bits}


def task_figures(
    general: Mapping[str, Any], *, margin: float, counted: Sequence[str], suites: int
) -> dict[str, Figure]:
    """Suite -> both arms' mean score, and its change with bounds clustered by template or document.

    `suites` are all that are part of the verdict, general text among them. `chance` is what guessing reaches, and
    `guesses` whether the base is not shown to do better: then it has nothing to lose. `needed`: tasks with which a
    suite that lost nothing is found RETAINED four times in five. `counts`: whether it is part of the verdict.
    """
    found: dict[str, Figure] = {}
    for name, columns in general.items():
        sample = sample_of(columns["document"], [name] * len(columns["document"]), weights={name: 1.0})
        arms = {arm: float(np.mean(columns[arm])) for arm in ("base", "tuned")}
        shown = {**arms, "chance": float(np.mean(columns["chance"])), "limit": -margin, "counts": name in counted}
        if sample.documents < FEWEST_DOCUMENTS:
            none = {bound: None for bound in ("low", "high", "lost_below")}
            found[name] = {"value": arms["tuned"] - arms["base"], **none, "documents": sample.documents, **shown}
            continue
        levels = ALPHA, ALPHA / suites
        gain, strict = (bound_gain(columns["tuned"], columns["base"], sample=sample, alpha=alpha) for alpha in levels)
        able = score_of(columns["base"], sample=sample, alpha=ALPHA)
        reach = float(stdtrit(gain["df"], 1 - ALPHA) + stdtrit(gain["df"], POWER)) * gain["se"] / margin
        told = {"guesses": able["low"] <= shown["chance"], "needed": math.ceil(gain["n"] * reach**2)}
        found[name] = {**gain, "lost_below": strict["high"], **shown, **told}
    return found


def distances(apart: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
    """Set -> nats per token of KL(base || tuned), `forward`, and of KL(tuned || base), `backward`, and the share of
    tokens at which both would write the same: told, not judged.
    """
    found: dict[str, Figure] = {}
    for name, columns in apart.items():
        tokens = sum(columns["tokens"])
        shares = {kind: math.fsum(columns[kind]) / max(1, tokens) for kind in ("forward", "backward", "alike")}
        found[name] = {**shares, "tokens": tokens}
    return found


def retention_state(figure: Figure) -> str:
    """RETAINED: low > limit. FORGOT: value < limit and the bound of all suites together < 0. Else INCONCLUSIVE."""
    if figure["low"] is None:
        return "INCONCLUSIVE"
    if figure["low"] > figure["limit"]:
        return "RETAINED"
    return "FORGOT" if figure["value"] < figure["limit"] and figure["lost_below"] < 0 else "INCONCLUSIVE"


def retained_gate(text: Figure | None, tasks: Mapping[str, Figure], *, asked: Sequence[str]) -> dict[str, Any]:
    """RETAINED if general text and every suite that counts (`asked`) is; FORGOT if one is; else INCONCLUSIVE."""
    if text is None and not asked:
        reason = "General ability: not asked, a model that only judges has no general text to keep."
        return {"state": "NOT ASKED", "reasons": [reason]}
    found = {name: retention_state(tasks[name]) if name in tasks else "INCONCLUSIVE" for name in asked}
    reasons = [_task_reason(name, tasks.get(name), state) for name, state in found.items()]
    states = list(found.values())
    if text is not None:
        states.append(retention_state(text))
        reasons.insert(0, _text_reason(text, states[-1]))
    state = next((each for each in ("FORGOT", "INCONCLUSIVE") if each in states), "RETAINED")
    advice = {"FORGOT": ADVICE, "INCONCLUSIVE": LONGER}.get(state)
    return {"state": state, "reasons": reasons, **({"advice": advice} if advice else {})}


def _text_reason(figure: Figure, state: str) -> str:
    if figure["value"] is None:
        return f"General ability could not be measured on {figure['documents']} documents of general text."
    change = f"{percent(-figure['value'])} bits per byte ({percent(-figure['high'])} to {percent(-figure['low'])})"
    return f"General ability {WORDS[state]}: {change} on general text, allowed {percent(-figure['limit'])}."


def _task_reason(name: str, figure: Figure | None, state: str) -> str:
    if figure is None or figure["low"] is None:
        return f"General tasks ({name}) were not asked, or too few of them: nothing can be said of them."
    change = f"{_points(figure['value'])} points ({_points(figure['low'])} to {_points(figure['high'])})"
    allowed = f"allowed {_points(figure['limit'])}"
    guess = f"; guessing reaches {100 * figure['chance']:.0f} %, the base {100 * figure['base']:.0f} %"
    guess += ", so that it has little to lose" if figure["guesses"] else ""
    return f"Ability in {name} {WORDS[state]}: {change}, {allowed}{guess}."


def percent(log_ratio: float) -> str:
    """A log ratio as a signed change: 0.01 -> '+1.0 %'."""
    return f"{100 * math.expm1(log_ratio):+.2f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _bits(nats: float, size: float) -> float | None:
    return bits_per_byte(float(nats), int(size)) if size > 0 else None
