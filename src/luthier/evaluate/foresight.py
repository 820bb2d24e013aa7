"""What an exam will be able to see, in words for a person who has not trained yet."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.config import FOLDS
from luthier.evaluate.metrics.units import RELATIVE
from luthier.evaluate.statistics.cross_fit import FEWER_THAN, se_factor
from luthier.evaluate.statistics.power import DIFFERING, FEWEST_DOCUMENTS, FEWEST_ITEMS, foreseen_mde


def foresight(plan: Mapping[str, Any]) -> str:
    """One sentence: the smallest gain that the planned exam will be able to see."""
    gain = sees(plan)
    size = _size(int(plan["items"]), int(plan["documents"]))
    if plan["primary"] in RELATIVE and gain is not None:
        return f"the exam has {size}; what gain it can see depends on how alike the texts are, and is in the report"
    if gain is None:
        return (
            f"with {size} the verdict will be INCONCLUSIVE whatever the model does: an exam needs at least "
            f"{FEWEST_ITEMS} items from {FEWEST_DOCUMENTS} documents. Add examples or split finer."
        )
    if gain >= 1:
        return f"with {size} this exam can hardly see any gain: add documents."
    return f"with {size} this exam can see gains of {100 * gain:.0f} points or more"


def sees(plan: Mapping[str, Any]) -> float | None:
    """The smallest gain that is found four times in five, if two models differ on 30 % of the items; None: none is."""
    return _sees(plan, int(plan["items"]), int(plan["documents"]), folds=plan.get("folds", 0))


def cross_fit_advice(plan: Mapping[str, Any], groups: int | None) -> str:
    """Why to cross-fit, where there are fewer than 60 documents and more could be seen by it; else nothing."""
    is_possible = plan["claim"] == "SKILL" and plan["primary"] != "spearman" and plan.get("sequential") is None
    if groups is None or not 2 * FOLDS <= groups < FEWER_THAN or plan.get("folds") or not is_possible:
        return ""
    items, documents = int(plan["items"]), int(plan["documents"])
    now = _sees(plan, items, documents, folds=0)
    then = _sees(plan, round(items * groups / max(1, documents)), groups, folds=FOLDS)
    if then is None or then >= 1 or (now is not None and then >= now):
        return ""
    seen = "" if plan["primary"] in RELATIVE else f" and could see gains of {100 * then:.0f} points"
    return (
        f"evaluate.cross_fit: true would examine about {groups:,} documents instead of {documents:,}{seen}, and ship a "
        f"model that learnt from all of them; it takes {FOLDS + 1} trainings instead of one"
    )


def _sees(plan: Mapping[str, Any], items: int, documents: int, *, folds: int) -> float | None:
    rules = {"alpha": float(plan["alpha"]), "minimum_effect": float(plan["minimum_effect"])}
    return foreseen_mde(items, documents, psi=DIFFERING * se_factor(folds) ** 2, **rules)


def _size(items: int, documents: int) -> str:
    return f"{items:,} item{'s' * (items != 1)} from {documents:,} document{'s' * (documents != 1)}"
