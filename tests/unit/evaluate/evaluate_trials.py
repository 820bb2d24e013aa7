"""A small made-up exam whose answers are given: no model, everything else real."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from luthier.artifacts.canonical import sha256_of
from luthier.evaluate.arms import Arm
from luthier.evaluate.looks import Look, alpha_of
from luthier.evaluate.report.evidence import Observed, Setting, assemble
from luthier.evaluate.tasks import classify, generate
from luthier.records import Item, Message

LEAKS = {"left": 0, "prompts": {}}
ALIKE = {"reworded": {}, "copied": {"items": 0, "right": 0, "free": False}}
CHAPTERS = ("Blood", "Eye", "Injuries", "Pregnancy")


def make_items(documents: int, per_document: int, *, uneven: bool = False) -> list[Item]:
    items = []
    for document in range(documents):
        for place in range(1 + document % per_document if uneven else per_document):
            gold = CHAPTERS[(document + place) % len(CHAPTERS)]
            question = (Message("user", f"Chapter of diagnosis {document}.{place} <b>&?"),)
            name = sha256_of([document, place])[:16]
            items.append(Item(name, f"group {document}", "chat", question, (gold,), f"a.csv:{document}"))
    return items


def answers(items: Sequence[Item], right: Sequence[bool]) -> Arm:
    texts = [item.golds[0] if good else "I don't know <script>" for item, good in zip(items, right, strict=True)]
    return generate.score(items, texts, [True] * len(items))


def general_text(documents: int = 60, *, ratio: float = 1.0, noise: float = 0.002) -> dict[str, dict[str, list[Any]]]:
    random = np.random.default_rng(7)
    base = random.uniform(200, 400, documents)
    tuned = base * ratio * np.exp(random.normal(0, noise, documents))
    names = [f"{place:016x}" for place in range(documents)]
    columns = {"document": names, "bytes": [400] * documents}
    return {"GEN-TEST": {**columns, "base_nats": base.tolist(), "tuned_nats": tuned.tolist()}}


def make_setting(items: Sequence[Item], *, objective: str = "chat", look: int = 1, leaks: int = 0) -> Setting:
    plan = {
        "format": "luthier.plan/1",
        "claim": "SKILL",
        "objective": objective,
        "primary": "exact_match" if objective == "chat" else "macro_f1",
        "against": "base" if objective == "chat" else "linear probe",
        "arms": ["base", "tuned"],
        "not_asked": {},
        "alpha": 0.025,
        "minimum_effect": 0.02,
        "retention_margin": 0.01 if objective == "chat" else None,
        "retention_tasks": [],
        "task_margin": 0.03,
        "general_items": 60,
        "memorised_blocks": False,
        "weights": {"chat": 1.0},
        "items": len(items),
        "documents": len({item.document for item in items}),
        "exam_root": "r" * 64,
        "dataset_digest": "d" * 64,
        "decoding": {"method": "greedy", "max_answer_tokens": "auto"} if objective == "chat" else None,
        "sequential": None,
        "seed": 0,
    }
    return Setting(
        plan=plan,
        frozen_plan={"sha256": sha256_of(plan), "changed": {}},
        models={"base": {"name": "tiny", "digest": "b" * 64, "arm": plan["against"]}, "tuned": {"digest": "t" * 64}},
        exam={
            "root": "r" * 64,
            "leaks": {"left by prepare": leaks, "rows of exam groups": 0},
            "copied": {"items": len(items), "right": 0, "free": objective == "chat"},
            "dataset": "d" * 64,
            "trained_on": "d" * 64,
            "sealed_with": True,
        },
        look=Look(look, alpha_of(look, alpha=0.025), "l" * 64),
        environment={
            "versions": {"luthier": "0.1.0", "numpy": "2"},
            "python": "3.11",
            "machine": "x86_64",
            "device": "cpu",
            "threads": 1,
            "dtype": "float32",
            "max_answer_tokens": 16,
        },
    )


@dataclass(frozen=True)
class Trial:
    """An evidence record and what it was made from."""

    record: dict[str, Any]
    observed: Observed
    setting: Setting


def make_trial(
    base: float, tuned: float, *, documents: int = 40, per_document: int = 5, seed: int = 0, **kwargs: Any
) -> Trial:
    """An evaluation in which every item is right with the given chances; `rivals`: arm -> its chance."""
    random = np.random.default_rng(seed)
    chances = kwargs.pop("rivals", {})
    items = make_items(documents, per_document, uneven=kwargs.pop("uneven", False))
    base_right, tuned_right = (random.random(len(items)) < chance for chance in (base, tuned))
    likelihood = general_text(ratio=kwargs.pop("ratio", 1.0))
    told = {"advisory": kwargs.pop("advisory", {})}
    setting = make_setting(items, **kwargs)
    arms = {"base": answers(items, base_right), "tuned": answers(items, tuned_right)}
    arms |= {name: answers(items, random.random(len(items)) < chance) for name, chance in chances.items()}
    if chances:
        arms = {
            name: replace(arm, tokens=((60 + 90 * place, 9),) * len(items))
            for place, (name, arm) in enumerate(arms.items())
        }
        setting.plan["arms"] = list(arms)
    observed = Observed(items, arms.pop("base"), arms.pop("tuned"), (), likelihood, arms, **told)
    return Trial(assemble(setting, observed), observed, setting)


def make_label_trial(base: float, tuned: float, *, documents: int = 40, seed: int = 0) -> Trial:
    """The same for a classifier against a probe."""
    random = np.random.default_rng(seed)
    items = make_items(documents, 5)
    gold = np.array([CHAPTERS.index(item.golds[0]) for item in items])
    arms = []
    for chance in (base, tuned):
        wrong = (gold + random.integers(1, len(CHAPTERS), len(gold))) % len(CHAPTERS)
        arms.append(np.where(random.random(len(gold)) < chance, gold, wrong))
    scored = [classify.score(items, arm, labels=CHAPTERS) for arm in arms]
    setting = make_setting(items, objective="classify")
    observed = Observed(items, scored[0], scored[1], CHAPTERS, {})
    return Trial(assemble(setting, observed), observed, setting)
