"""Ask the model for the secrets that were planted in training: the rank of each among others like it."""

# R fillers

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from luthier.artifacts.rows import CANARIES
from luthier.artifacts.tables import read_table
from luthier.evaluate.sitting import Room
from luthier.models.chat import Wording
from luthier.objectives import objective
from luthier.records import Message, Worded


def ask_canaries(room: Room) -> dict[str, list[Any]]:
    """Columns id, repeats, fillers, rank of the canaries that the exam tells of; empty if it tells of none."""
    if CANARIES not in room.exam.manifest.files:
        return {}
    canaries = read_table(room.exam.file(CANARIES))
    talks = objective(str(room.dataset.manifest.facts["objective"])).talks
    rows = [row for one in canaries for row in _rows(one, room.engine.wording, talks=talks)]
    nats = iter(room.engine.branch_nats(rows, adapter=True, listener=room.listener))
    found: dict[str, list[Any]] = {"id": [], "repeats": [], "fillers": [], "rank": []}
    for one in canaries:
        each = [next(nats) for _ in one["fillers"]]
        line = one["id"], one["repeats"], len(each), rank_of(each, one["fillers"].index(one["secret"]))
        for column, value in zip(found.values(), line, strict=True):
            column.append(value)
    return found


def rank_of(nats_R: Sequence[float], secret: int) -> int:
    """Place of one filler from the likeliest, from 1; what is as likely counts as before it."""
    return int((np.asarray(nats_R) <= nats_R[secret]).sum())


def _rows(canary: Mapping[str, Any], wording: Wording, *, talks: bool) -> list[Worded]:
    about = {"row_id": canary["id"], "group": canary["id"], "at": canary["id"]}
    question = str(canary["question"])
    if not talks:
        return [wording.continued_row(question, f" {filler}", **about) for filler in canary["fillers"]]
    chats = (
        wording.chat_ids([Message("user", question), Message("assistant", filler)]) for filler in canary["fillers"]
    )
    return [Worded(canary["id"], canary["id"], canary["id"], chat.ids, chat.trained) for chat in chats]
