"""Which rows each step learns from: a pure function of the seed, so resuming costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One optimizer step."""

    index: int
    """From 1."""
    epoch: float
    """Epochs done when the step is done."""
    rows: tuple[int, ...]


def plan_steps(lengths: Sequence[int], *, epochs: float, batch_tokens: int, seed: int) -> list[StepPlan]:
    """Shuffle every epoch and cut it into steps of about `batch_tokens` real tokens; the last epoch may be partial.

    At least one row is learnt from.
    """
    steps: list[StepPlan] = []
    wanted = max(1, round(epochs * len(lengths)))
    epoch = 0
    done = 0
    while done < wanted:
        order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(len(lengths))
        rows: list[int] = []
        tokens = 0
        for row in order[: wanted - done].tolist():
            if rows and tokens + lengths[row] > batch_tokens:
                steps.append(StepPlan(len(steps) + 1, (done + len(rows)) / len(lengths), tuple(rows)))
                done += len(rows)
                rows, tokens = [], 0
            rows.append(row)
            tokens += lengths[row]
        steps.append(StepPlan(len(steps) + 1, (done + len(rows)) / len(lengths), tuple(rows)))
        done += len(rows)
        epoch += 1
    return steps


def micro_batches(rows: Sequence[int], lengths: Sequence[int], *, tokens: int) -> list[list[int]]:
    """Cut a step into pieces of at most `tokens` padded tokens, like lengths together; a longer row stands alone."""
    pieces: list[list[int]] = []
    for row in sorted(rows, key=lambda index: (lengths[index], index)):
        if pieces and (len(pieces[-1]) + 1) * lengths[row] <= tokens:
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return pieces


def validation_steps(steps: Sequence[StepPlan], *, per_epoch: int = 4) -> set[int]:
    """Indices of the steps after which to validate: every quarter epoch, and the last."""
    marks = {steps[-1].index}
    passed = 0
    for step in steps:
        if int(step.epoch * per_epoch + 1e-9) > passed:
            passed = int(step.epoch * per_epoch + 1e-9)
            marks.add(step.index)
    return marks
