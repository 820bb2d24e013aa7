"""General tasks, asked of base and tuned: the chance that each takes the right one of a few given answers, or how far
in front each finds the one text that belongs to a query.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from luthier.artifacts.rows import SEARCH, TASKS
from luthier.artifacts.tables import read_table
from luthier.evaluate.metrics.ranking import ndcg
from luthier.evaluate.report.evidence import document_id
from luthier.evaluate.sitting import Room
from luthier.evaluate.tasks.embed import search
from luthier.models.chat import Wording
from luthier.records import Item, Message, Worded

Columns = dict[str, list[Any]]


def ask_tasks(room: Room) -> dict[str, Columns]:
    """Suite -> columns document (cluster), chance, base, tuned; empty if the exam holds no tasks.

    Of an embedder: nDCG@10 of the pairs of the first `evaluate.general_texts` documents, all of whose texts are
    searched. Else p(right) = softmax over the options of log p(option | question), which are alike in length, of the
    first `evaluate.general_items` tasks of each suite, from as many clusters.
    """
    if TASKS not in room.exam.manifest.files:
        return {}
    tasks: Sequence[Mapping[str, Any]] = read_table(room.exam.file(TASKS))
    if any(task["suite"] == SEARCH for task in tasks):
        return {SEARCH: _search(tasks, room)}
    if not room.config.general_items:
        return {}
    tasks = _first(tasks, room.config.general_items)
    rows = [row for task in tasks for row in _options(task, room.engine.wording)]
    arms = [room.engine.branch_nats(rows, adapter=adapter, listener=room.listener) for adapter in (False, True)]
    base, tuned = (_chances(tasks, nats) for nats in arms)
    found: dict[str, Columns] = {}
    for task, *chances in zip(tasks, base, tuned, strict=True):
        columns = found.setdefault(task["suite"], {name: [] for name in ("document", "chance", "base", "tuned")})
        line = document_id(task["cluster"]), 1 / len(task["options"]), *chances
        for column, value in zip(columns.values(), line, strict=True):
            column.append(value)
    return found


def _search(rows: Sequence[Mapping[str, Any]], room: Room) -> Columns:
    asked = set(list(dict.fromkeys(row["cluster"] for row in rows))[: room.config.general_texts])
    items = [
        Item(row["id"], row["cluster"], SEARCH, (Message("user", row["question"]),), (row["options"][0],), SEARCH)
        for row in rows
        if row["cluster"] in asked
    ]
    pool = sorted({room.engine.wording.text_ids(item.golds[0]) for item in items})
    base, tuned = (
        search(items, pool, engine=room.engine, adapter=adapter, listener=room.listener).scores["ndcg_10"]
        for adapter in (False, True)
    )
    chance = sum(ndcg([rank]) for rank in range(1, len(pool) + 1)) / len(pool)
    names = [document_id(item.document) for item in items]
    return {"document": names, "chance": [chance] * len(items), "base": base, "tuned": tuned}


def _first(tasks: Sequence[Mapping[str, Any]], most: int) -> Sequence[Mapping[str, Any]]:
    seen: dict[str, int] = {}
    chosen = []
    for task in tasks:
        seen[task["suite"]] = seen.get(task["suite"], 0) + 1
        if seen[task["suite"]] <= most:
            chosen.append(task)
    return chosen


def _options(task: Mapping[str, Any], wording: Wording) -> list[Worded]:
    question = Message("user", task["question"])
    chats = [wording.chat_ids([question, Message("assistant", option)]) for option in task["options"]]
    return [Worded(task["id"], task["cluster"], task["suite"], chat.ids, chat.trained) for chat in chats]


def _chances(tasks: Sequence[Mapping[str, Any]], nats: Sequence[float]) -> list[float]:
    left = iter(nats)
    chances = []
    for task in tasks:
        logs = -np.array(list(islice(left, len(task["options"]))))
        shares = np.exp(logs - logs.max())
        chances.append(float(shares[0] / shares.sum()))
    return chances
