"""What will be asked and what will count, fixed before training and hashed."""

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.rows import SEARCH, TASKS, read_items
from luthier.errors import UserError
from luthier.evaluate.config import EvaluateConfig, Models
from luthier.evaluate.further import KNOWN_BY, deciding, planned
from luthier.evaluate.lineup import props_of
from luthier.evaluate.looks import exam_root
from luthier.evaluate.statistics.power import FEWEST_DOCUMENTS
from luthier.evaluate.watch import draft_watch
from luthier.objectives import Objective, objective
from luthier.records import Item

FORMAT = "luthier.plan/1"
AGAINST = {
    "chat": "base",
    "classify": "linear probe",
    "complete": "base",
    "embed": "base",
    "fill": "base",
    "prefer": "base",
    "reinforce": "base",
    "reward": "linear probe",
    "tag": "linear probe",
    "extract": "linear probe",
}
"""What stands for "base": where it has no head, a linear probe on its frozen states."""


def draft_plan(exam: ExamDir, *, dataset: DatasetDir, config: EvaluateConfig) -> dict[str, Any]:
    """The plan of an evaluation as plain JSON; its hash is `sha256_of(plan)`. Counting items is not a look at them."""
    goal = objective(str(dataset.manifest.facts["objective"]))
    everything = read_items(exam.file("items.parquet"))
    claim = str(dataset.manifest.facts.get("claim", "SKILL"))
    items = deciding(everything, claim=claim, objective=goal.name)
    is_decoder = goal.head == "causal"
    searches = goal.head == "pooled" and TASKS in exam.manifest.files
    primary = KNOWN_BY if claim == "KNOWLEDGE" else _primary(goal, items)
    props = props_of(exam, wants=lambda name: config.arms == "all" or name == config.against)
    seated = props.lineup(items, primary)
    return {
        "format": FORMAT,
        "claim": claim,
        "objective": goal.name,
        "primary": primary,
        "against": _against(goal, seated.arms, config),
        "arms": seated.arms,
        "not_asked": seated.not_asked,
        "alpha": config.alpha,
        "minimum_effect": config.minimum_effect,
        "retention_margin": config.retention_margin if is_decoder else None,
        "retention_tasks": sorted(config.retention_tasks) if is_decoder else [SEARCH] if searches else [],
        "task_margin": config.task_margin,
        "general_texts": config.general_texts if is_decoder or searches else 0,
        "general_items": config.general_items if is_decoder else 0,
        "memorised_blocks": config.memorised == "block" or _is_unmasked(dataset),
        "weights": _weights({task: _documents(items, task) for task in {item.task for item in items}}),
        "items": len(items),
        "documents": len({item.document for item in items}),
        "sequential": _watch(goal, claim, items) if config.sequential else None,
        **_folds(exam, primary),
        "further": planned(everything, items, props),
        "exam_root": exam_root(exam),
        "dataset_digest": dataset.digest,
        "decoding": {"method": "greedy", "max_answer_tokens": config.max_answer_tokens} if goal.is_asked else None,
        "seed": config.seed,
    }


def _against(goal: Objective, arms: Sequence[str], config: EvaluateConfig) -> str:
    """What the tuned model must beat; UserError if this exam does not ask it."""
    if config.against == "base":
        return AGAINST[goal.name]
    if config.against not in arms:
        raise UserError(
            f"evaluate.against is '{config.against}', and no such arm can sit this exam (objective '{goal.name}'; "
            f"there are {', '.join(name for name in arms if name != 'tuned')}). Name one of these."
        )
    return config.against


def _watch(goal: Objective, claim: str, items: Sequence[Item]) -> dict[str, Any]:
    if not goal.is_asked or claim != "SKILL":
        raise UserError(
            f"evaluate.sequential spares answers that are written, and an exam of {claim} for objective '{goal.name}' "
            "writes none. Take the line out."
        )
    return draft_watch([item.task for item in items], documents=len({item.document for item in items}))


def _folds(exam: ExamDir, primary: str) -> dict[str, int]:
    """Number of folds of cross-fitting, if this exam is made of some."""
    folds = len(exam.seal["folds"])
    if folds and primary == "spearman":
        raise UserError(
            "evaluate.cross_fit: pairs with a score are judged by the order of all of them, which models that each see "
            "a part cannot make. Take the line out."
        )
    return {"folds": folds} if folds else {}


def check_same_exam(exam: ExamDir, dataset: DatasetDir) -> None:
    """UserError unless the dataset was made beside this exam."""
    root, expected = exam_root(exam), dataset.manifest.facts.get("exam_root")
    if root != expected:
        raise UserError(
            f"{dataset.path}: was made beside another exam (root {str(expected)[:12]}) than {exam.path} "
            f"(root {root[:12]}). Run prepare again, or name the exam that belongs to it."
        )


def _primary(goal: Objective, items: Sequence[Item]) -> str:
    """The metric that decides; pairs of texts that people scored are judged by their order."""
    scored = [len(item.golds) == 2 for item in items] if goal.record == "pair" else []
    if any(scored) and not all(scored):
        raise UserError(
            f"{sum(scored)} of {len(items)} exam items are pairs with a score, the others are queries with what "
            "belongs to them, and one exam asks one thing. Take one kind out of collect.sources."
        )
    return "spearman" if any(scored) else goal.primary_metric


def _is_unmasked(dataset: DatasetDir) -> bool:
    """Whether some type of private data was only counted in what was learnt, not masked or dropped."""
    private = dataset.manifest.settings.get("private", {})
    return "report" in private.get("actions", {}).values()


def plan_changes(models: Models, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plan that the model's training began under: its hash, and name -> [then, now] of what is no more the same.

    None if there was none.
    """
    frozen = models.tuned.manifest.facts.get("plan")
    if frozen is None:
        return None
    names = sorted(name for name in {*frozen, *plan} if frozen.get(name) != plan.get(name))
    return {"sha256": sha256_of(frozen), "changed": {name: [frozen.get(name), plan.get(name)] for name in names}}


def _documents(items: list[Item], task: str) -> int:
    return len({item.document for item in items if item.task == task})


def _weights(documents: Mapping[str, int]) -> dict[str, float]:
    """Equal weights over the tasks that have enough documents; the others are shown but do not count."""
    enough = [task for task in sorted(documents) if documents[task] >= FEWEST_DOCUMENTS]
    counting = enough or sorted(documents)
    return {task: 1 / len(counting) for task in counting}
