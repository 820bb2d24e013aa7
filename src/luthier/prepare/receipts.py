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
)
from luthier.prepare.word import Reading
from luthier.records import Chat, Label, Text, Worded

DEEP = 1_000
"""Rows that are decoded and worded again; the others are counted exactly."""


def run_receipts(
    rows: Sequence[Worded], readings: Sequence[Reading], *, wording: Wording, limit: int, shortened: int
) -> dict[str, Any]:
    """Run R1 to R6, R8, R9 and R11 (data.md section 9) on all rows; returns what receipts.json holds.

    `readings` are all rows with their text, exam included: its prompts must be worded like the trained ones. R2, R5, R8
    and R11 are deep checks on the 1,000 rows with the smallest hashes. R9 is recorded here for those who load the rows.
    Raises UserError at the first failure.
    """
    deep = sorted(readings, key=lambda one: hash_order(one.row.id))[:DEEP]
    documents = [one for one in deep if isinstance(one.candidate.example, Text)]
    chats = [one for one in deep if isinstance(one.candidate.example, Chat)]
    texts = [one for one in deep if isinstance(one.candidate.example, Label)]
    trained, start = check_trained(rows), check_start(rows, wording)
    end = check_end(rows, wording) if chats else {"turns": 0}
    known = check_known(rows, wording)
    lengths = check_lengths([one.row for one in readings], limit=limit)
    for one in chats:
        for turn in one.messages:
            check_round_trip(one.row, turn.content, wording)  # first: the others would blame the template
        check_told(one.row, one.messages, wording, tools=one.tools)
        check_content(one.row, one.messages, wording, tools=one.tools)
    for one in documents:
        check_document(one.row, one.messages[0].content, wording)
    for one in texts:
        check_text(one.row, one.messages[0].content, wording)
        check_round_trip(one.row, one.messages[0].content, wording)
    return {
        "R1": trained,
        "R2": {"rows": len(chats) + len(documents)},
        "R3": start,
        "R4": end,
        "R5": {"rows": len(deep)},
        "R6": {**lengths, "shortened": shortened},
        "R8": {"rows": len(chats)},
        "R11": known,
        "R9": {"template_hash": wording.template_hash},
    }
