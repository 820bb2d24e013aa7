"""The receipts that train runs before its first step, on what it read (data.md section 9: R1, R4, R6, R10, R12)."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from luthier.artifacts.worded import table_of
from luthier.errors import UserError
from luthier.graders.marking import Grading, Markings
from luthier.models.chat import Wording
from luthier.models.receipts import check_all_labels, check_end, check_lengths, check_trained, label_rows, rated_rows
from luthier.objectives import Objective, RecordKind
from luthier.records import Worded
from luthier.train.batches import Cut, StepPlan, cut_by_length, micro_batches
from luthier.train.config import TrainConfig
from luthier.train.losses.way import Lesson
from luthier.train.rows import sizes_of

DEEP = 100
"""Steps whose rows are read, to let the loss itself count them; the others are added up from the rows' sizes."""


LABELLED: frozenset[RecordKind] = frozenset({"label", "tags"})
"""Kinds of example whose labels are places in a list."""


class RowReceipts:
    """What prepare promised of the rows, checked again as they are read."""

    def __init__(
        self, objective: Objective, *, wording: Wording, labels: Sequence[str], markings: Markings | None = None
    ) -> None:
        self._objective = objective
        self._wording = wording
        self._labels = labels
        self._totals: Counter[str] = Counter()
        self._markings = markings
        self._longest = self._longest_answer = 0
        self._label_rows = np.zeros(len(labels), dtype=np.int64)

    def check(self, rows: Sequence[Worded]) -> None:
        """Check some rows; UserError at the first failure."""
        self._totals.update(check_trained(rows))
        self._totals.update(rated_rows(rows))
        limit, apart = self._wording.context, self._objective.apart
        self._longest = max(self._longest, check_lengths(rows, limit=limit, apart=apart)["longest"])
        self._longest_answer = max(self._longest_answer, int(table_of(rows).trained.sums().max(initial=0)))
        if self._objective.talks:
            self._totals.update(check_end(rows, self._wording))
        if self._markings is not None:
            check_grading(rows, self._markings)
        if self._objective.record in LABELLED:
            self._label_rows += label_rows(rows, self._labels)

    def counts(self) -> dict[str, dict[str, Any]]:
        """Counts by receipt, when all rows are read; UserError if there are none, or a label has none."""
        rows = self._totals["rows"]
        if not rows:
            raise UserError("receipt R1 (trained tokens): there is no row to learn from. Run prepare again.")
        pairs = rows - self._totals["rated"]
        if self._objective.record == "preference" and 0 < pairs < rows:
            raise UserError(
                f"the rows hold {pairs:,} pairs and {rows - pairs:,} rated answers, and one run learns from one kind. "
                "Take one of them out of collect.sources."
            )
        counts = {
            "R1": {"rows": rows, "trained_tokens": self._totals["trained_tokens"]},
            "R6": {"rows": rows, "longest": self._longest, "limit": self._wording.context},
        }
        if self._objective.talks:
            counts["R4"] = {"turns": self._totals["turns"]}
        if self._objective.record in LABELLED:
            counts["R12"] = check_all_labels(self._label_rows, self._labels)
        return counts

    def lesson(self, config: TrainConfig) -> Lesson:
        """What a loss may depend on of all rows, when they are read."""
        rows = tuple(int(count) for count in self._label_rows)
        rated = int(self._totals["rated"] - self._totals["good"]), int(self._totals["good"])
        return Lesson(
            self._wording,
            config,
            int(self._totals["trained_tokens"]),
            rows,
            rated,
            self._longest_answer,
            self._markings,
        )


def check_rows(
    rows: Sequence[Worded], *, objective: Objective, wording: Wording, labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """`RowReceipts` of rows that are all there."""
    receipts = RowReceipts(objective, wording=wording, labels=labels)
    receipts.check(rows)
    return receipts.counts()


def check_grading(rows: Sequence[Worded], markings: Markings) -> None:
    """UserError names the first row whose answers cannot be graded, or whose gold would earn nothing."""
    for row in rows:
        grading = Grading.of(row.grading)
        try:
            markings.of(grading).check(grading.golds)
        except UserError as error:
            raise UserError(f"{row.at}: {error}. Change train.reinforce.graders or the row") from error


def check_denominators(
    steps: Sequence[StepPlan],
    rows: Sequence[Worded],
    *,
    tokens: int,
    units: Callable[[Sequence[Worded]], int],
    cut: Cut | None = None,
) -> dict[str, int]:
    """R10: the micro-batches of every step hold its rows once, and their denominators add up to the step's. R1: none
    of them is empty.

    Returns how many were added up, and the sum of the steps' denominators.
    """
    sizes, cut = sizes_of(rows), cut or partial(cut_by_length, tokens=tokens)
    counts = {"steps": len(steps), "micro_batches": 0, "denominators": 0}
    for step in steps:
        if step.index <= DEEP:
            held = {index: rows[index] for index in step.rows}
            pieces = cut(held)
            whole = units(list(held.values()))
            parts = [units([held[index] for index in piece]) for piece in pieces]
        else:
            pieces = micro_batches(step.rows, sizes.lengths, tokens=tokens)
            whole = int(sizes.units[list(step.rows)].sum())
            parts = [int(sizes.units[piece].sum()) for piece in pieces]
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
