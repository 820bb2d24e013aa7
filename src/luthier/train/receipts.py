"""The receipts that train runs before its first step, on what it read (data.md section 9: R1, R4, R6, R10, R12)."""

from collections.abc import Callable, Sequence
from typing import Any

from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.models.receipts import check_end, check_labels, check_lengths, check_trained
from luthier.objectives import Objective
from luthier.records import Worded
from luthier.train.batches import StepPlan, micro_batches


def check_rows(
    rows: Sequence[Worded], *, objective: Objective, wording: Wording, labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What prepare promised of the rows, checked again: counts by receipt. UserError at the first failure."""
    counts = {"R1": check_trained(rows), "R6": check_lengths(rows, limit=wording.context)}
    if objective.record == "chat":
        counts["R4"] = check_end(rows, wording)
    if objective.record == "label":
        counts["R12"] = check_labels(rows, labels)
    return counts


def check_denominators(
    steps: Sequence[StepPlan], rows: Sequence[Worded], *, tokens: int, units: Callable[[Sequence[Worded]], int]
) -> dict[str, int]:
    """R10: the micro-batches of every step hold its rows once, and their denominators add up to the step's. R1: none
    of them is empty.

    Returns how many were added up, and the sum of the steps' denominators.
    """
    lengths = [len(row.ids) for row in rows]
    counts = {"steps": len(steps), "micro_batches": 0, "denominators": 0}
    for step in steps:
        pieces = micro_batches(step.rows, lengths, tokens=tokens)
        whole = units([rows[index] for index in step.rows])
        parts = [units([rows[index] for index in piece]) for piece in pieces]
        if not all(parts):
            row = rows[pieces[parts.index(0)][0]]
            raise UserError(
                f"receipt R1 (trained tokens): the batch of row {row.id} at {row.at} has nothing to learn in step "
                f"{step.index}. Run prepare again."
            )
        if sorted(index for piece in pieces for index in piece) != sorted(step.rows) or sum(parts) != whole:
            raise UserError(
                f"receipt R10 (denominators): step {step.index} counts {whole:,}, its pieces {sum(parts):,}. "
                "This is a mistake in Luthier: report it, and train with train.micro_batch_tokens: 1000000 meanwhile."
            )
        counts["micro_batches"] += len(pieces)
        counts["denominators"] += whole
    return counts
