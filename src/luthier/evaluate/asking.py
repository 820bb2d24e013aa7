"""Ask an exam: all of it at once, or document by document until the gain is shown."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from luthier.evaluate.arms import joined
from luthier.evaluate.report.evidence import document_id
from luthier.evaluate.sitting import Room, Sit, Sitting
from luthier.evaluate.tasks.generate import answer_limit
from luthier.evaluate.watch import order_of, watched
from luthier.records import Item


@dataclass(frozen=True, slots=True)
class Asked:
    """The items that were asked, and what came of them."""

    items: Sequence[Item]
    sitting: Sitting
    order: Sequence[str] = ()
    """Ids of all documents as they were drawn, if the exam was watched."""


def ask_exam(items: Sequence[Item], room: Room, sit: Sit, *, alpha: float) -> Asked:
    """Let all arms sit the exam as the plan says; `alpha` is what the look may spend."""
    if room.plan["sequential"] is None:
        return Asked(items, sit(items, room))
    return _watched(items, room, sit, alpha=alpha)


def _watched(items: Sequence[Item], room: Room, sit: Sit, *, alpha: float) -> Asked:
    # Settled once: the longest gold of each lot would be another limit for each.
    limit = answer_limit(items, room.engine.wording, setting=room.config.max_answer_tokens)
    room = replace(room, config=room.config.model_copy(update={"max_answer_tokens": limit}))
    items_of = defaultdict(list)
    for item in items:
        items_of[document_id(item.document)].append(item)
    order = order_of(items_of, seed=int(room.plan["seed"]))
    asked: list[Item] = []
    sittings: list[Sitting] = []

    def ask(documents: list[str]) -> dict[str, Any]:
        part = [item for document in documents for item in items_of[document]]
        sittings.append(sit(part, room))
        asked.extend(part)
        columns = {"document": [document_id(item.document) for item in asked], "task": [item.task for item in asked]}
        whole = together(sittings)
        arms = {"base": whole.base, "tuned": whole.tuned, **whole.rivals}
        return {"items": columns, "scores": {name: arm.scores for name, arm in arms.items()}}

    watched(order, {"plan": room.plan, "look": {"alpha": alpha}, "sequential": {"order": order}}, ask)
    return Asked(asked, together(sittings), order)


def together(sittings: Sequence[Sitting]) -> Sitting:
    """One sitting out of those of one lot of items after another."""
    first = sittings[0]
    return replace(
        first,
        base=joined([each.base for each in sittings]),
        tuned=joined([each.tuned for each in sittings]),
        rivals={name: joined([each.rivals[name] for each in sittings]) for name in first.rivals},
    )
