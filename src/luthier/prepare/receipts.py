"""The receipts that prepare runs on everything it is about to write."""

from collections.abc import Sequence
from typing import Any

from luthier.artifacts.canonical import hash_order
from luthier.models.chat import Wording
from luthier.models.receipts import (
    check_content,
    check_document,
    check_end,
    check_known,
    check_lengths,
    check_round_trip,
    check_start,
    check_text,
    check_told,
    check_trained,
    texts_apart,
)
from luthier.objectives import Objective
from luthier.prepare.reading import Reading
from luthier.records import Worded

DEEP = 1_000
"""Rows that are decoded and worded again; the others are counted exactly."""


def run_receipts(
    rows: Sequence[Worded], readings: Sequence[Reading], *, objective: Objective, wording: Wording, limit: int
) -> dict[str, Any]:
    """Run R1 to R6, R8, R9 and R11 (data.md section 9) on all rows; returns what receipts.json holds.

    `readings` are all rows with their text, exam included: its prompts must be worded like the trained ones. R2, R5, R8
    and R11 are deep checks on the 1,000 rows with the smallest hashes. R9 is recorded here for those who load the rows.
    Raises UserError at the first failure.
    """
    deep = sorted(readings, key=lambda one: hash_order(one.row.id))[:DEEP]
    chats = [one for one in deep if one.talks]
    documents = [one for one in deep if not one.talks and not one.texts]
    each = texts_apart(rows) if objective.apart else rows
    trained = check_trained(rows)
    start = check_start(each, wording, is_bare=any(one.texts for one in deep))
    end = check_end(rows, wording) if chats else {"turns": 0}
    known = check_known(rows, wording)
    lengths = check_lengths([one.row for one in readings], limit=limit, apart=objective.apart)
    for one in chats:
        for row, talk in zip(texts_apart([one.row]), one.talks, strict=True):
            for turn in talk:
                check_round_trip(row, turn.content, wording)  # first: the others would blame the template
            check_told(row, talk, wording, tools=one.tools)
            check_content(row, talk, wording, tools=one.tools)
    for one in documents:
        check_document(one.row, one.golds[0], wording)
    for one in deep:
        _check_texts(one, objective, wording)
    return {
        "R1": trained,
        "R2": {"rows": len(chats) + len(documents)},
        "R3": start,
        "R4": end,
        "R5": {"rows": len(deep)},
        "R6": {**lengths, "shortened": sum(one.shortened for one in readings)},
        "R8": {"rows": len(chats)},
        "R11": known,
        "R9": {"template_hash": wording.template_hash},
    }


def _check_texts(one: Reading, objective: Objective, wording: Wording) -> None:
    """R5 and R11 for bare texts."""
    for text in one.texts:
        check_round_trip(one.row, text, wording)
    if objective.apart and one.texts:
        for row, text in zip(texts_apart([one.row]), one.texts, strict=True):
            check_text(row, (text,), wording)
    elif one.texts:
        check_text(one.row, one.texts, wording)
