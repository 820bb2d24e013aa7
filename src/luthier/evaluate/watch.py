"""An exam that is watched while it is asked, document by document, and ends as soon as the gain is shown."""

# G documents

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from luthier.evaluate.metrics.units import item_metric, oriented
from luthier.evaluate.rivals import face
from luthier.evaluate.statistics.clustered import FloatArray
from luthier.evaluate.statistics.sequential import Betting, bet, drawn_order

LOOKS = 20
"""Times at which it may end, the last at the planned end."""


def draft_watch(tasks: Sequence[str], *, documents: int) -> dict[str, Any]:
    """What the plan of such an exam says beside that of any other: after how many documents it is looked at, and how
    many items of each task there are if it goes on to the end (`tasks`: that of every item).
    """
    looks = sorted({math.ceil(documents * look / LOOKS) for look in range(1, LOOKS + 1)})
    return {"looks": looks, "items": {task: tasks.count(task) for task in sorted(set(tasks))}}


def order_of(documents: Iterable[str], *, seed: int) -> list[str]:
    """The documents, by their ids, in the order in which they are asked."""
    names = sorted(set(documents))
    return [names[place] for place in drawn_order(len(names), seed=seed)]


def chunks(order: Sequence[str], plan: Mapping[str, Any]) -> Iterator[list[str]]:
    """The documents that are asked between two looks."""
    asked = 0
    for look in plan["sequential"]["looks"]:
        yield list(order[asked:look])
        asked = look


def stands(record: Mapping[str, Any], *, until: int, one: bool = False) -> Betting:
    """Where the bet stands after the first `until` documents of the order, or stopped before: at every look so far, or
    at this `one` alone.

    `record` is an evidence record or the part of it that is there by then: plan, look, sequential, items and scores.
    """
    looks = [until] if one else [look for look in record["plan"]["sequential"]["looks"] if look <= until]
    return bet(_shares(record), looks=looks, alpha=record["look"]["alpha"])


def followed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Figure of the whole watch: documents asked and planned, the standing at each look, and why it ended."""
    asked = len(set(record["items"]["document"]))
    path = [stands(record, until=look, one=True) for look in record["plan"]["sequential"]["looks"] if look <= asked]
    return {
        "documents": asked,
        "planned": record["plan"]["documents"],
        "path": [[each.documents, each.won, each.lost, each.log_e] for each in path],
        "stopped": path[-1].stopped,
        "early": asked < record["plan"]["documents"],
    }


def problems(record: Mapping[str, Any]) -> Iterator[str]:
    """What does not fit between the plan, the order and what was asked."""
    plan, order, documents = record["plan"], record["sequential"]["order"], record["items"]["document"]
    asked = len(set(documents))
    if order != order_of(order, seed=plan["seed"]) or len(order) != plan["documents"]:
        yield "sequential.order: not the order that the plan draws"
    if set(documents) != set(order[:asked]) or asked not in plan["sequential"]["looks"]:
        yield "items: not the first documents of the order, up to a look"
        return
    ended = stands(record, until=asked)
    if ended.documents != asked or not (ended.stopped or asked == plan["documents"]):
        yield "items: the exam did not end where its rule ends it"
    if asked == plan["documents"] and len(documents) != plan["items"]:
        yield "items: another number of items than planned"


def watched(order: Sequence[str], record: Mapping[str, Any], ask: Callable[[list[str]], Mapping[str, Any]]) -> int:
    """Ask chunk after chunk until the gain is shown or all is asked; how many documents that took.

    `ask` asks the items of some documents, and gives `items` and `scores` of everything asked so far.
    """
    asked = 0
    for documents in chunks(order, record["plan"]):
        asked += len(documents)
        if stands({**record, **ask(documents)}, until=asked, one=True).stopped:
            break
    return asked


def _shares(record: Mapping[str, Any]) -> FloatArray:
    """S_g of the documents in their order, with the planned numbers of items: what is not asked yet counts 0. [G]"""
    plan, items, scores = record["plan"], record["items"], face(record)["scores"]
    name = item_metric(scores["base"])
    tuned, base = (oriented(scores[arm][name], name) for arm in ("tuned", "base"))
    weight = {task: share / plan["sequential"]["items"][task] for task, share in plan["weights"].items()}
    gains: dict[str, list[float]] = {document: [] for document in record["sequential"]["order"]}
    for document, task, one, other in zip(items["document"], items["task"], tuned, base, strict=True):
        gains[document].append(weight.get(task, 0.0) * (one - other))
    # Rounded once, so that what cancels is a tie.
    return np.array([math.fsum(each) for each in gains.values()], dtype=np.float64)
