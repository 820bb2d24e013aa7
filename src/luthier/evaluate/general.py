"""General tasks, asked of base and tuned: the chance that each takes the right one of a few given answers."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from luthier.artifacts.tables import read_table
from luthier.evaluate.report.evidence import document_id
from luthier.evaluate.sitting import Room
from luthier.models.chat import Wording
from luthier.records import Message, Worded

TASKS = "tasks.parquet"
Columns = dict[str, list[Any]]


def ask_tasks(room: Room) -> dict[str, Columns]:
    """Suite -> columns document (cluster), chance, base, tuned; empty if the exam holds no tasks.

    The score of a task is p(right) = softmax over its options of log p(option | question): options are alike in length.
    The first `evaluate.general_items` tasks of each suite are asked, from as many clusters.
    """
    if TASKS not in room.exam.manifest.files or not room.config.general_items:
        return {}
    tasks = _first(read_table(room.exam.file(TASKS)), room.config.general_items)
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


def _first(tasks: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
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
