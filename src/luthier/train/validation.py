"""Held-out rows: which are scored, how often, and when one score is worse than another."""

# R rows, G groups

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.worded import IntArray, WordedTable, table_of
from luthier.records import Worded
from luthier.train.batches import Steps
from luthier.train.learner import Learner

HELD, FEWEST = 160, 48
"""Rows that are held in memory, and the fewest that a validation scores: fewer tell nothing."""
SHARE = 0.25
"""Tokens that all validations of a run read, as a share of those that it learns from: about a tenth of its time."""
PER_EPOCH, LEAST = 4, 20
"""Validations in an epoch, and in a run."""


class Seen(NamedTuple):
    """What a validation saw."""

    loss: float
    """Nats per unit."""
    nats: list[float]
    """Of each row."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The rows that are scored, and what they are to each other."""

    rows: Sequence[Worded]

    def look(self, learner: Learner) -> Seen:
        """Score the present weights."""
        nats = learner.score(self.rows)
        return Seen(sum(nats) / learner.loss.units(self.rows), nats)

    def bits_per_byte(self, nats: Sequence[float]) -> float | None:
        """Bits that a byte of the held-out answers costs; None where nothing is written, or it is graded."""
        written = sum(row.answer_bytes for row in self.rows if not row.grading)
        return sum(nats) / math.log(2) / written if written else None

    def is_worse(self, nats: Sequence[float], than: Sequence[float]) -> bool:
        """Whether the rise is more than its standard error over groups: else it is nothing to stop for."""
        rise_R: NDArray[np.float64] = np.subtract(nats, than)
        _, place_R = np.unique([row.group for row in self.rows], return_inverse=True)
        rise_G, rows_G = np.bincount(place_R, rise_R), np.bincount(place_R)
        away_G = rise_G - rows_G * rise_R.mean()
        error = math.sqrt(float(away_G @ away_G) * len(rise_G) / max(1, len(rise_G) - 1))
        return not rise_R.sum() <= error  # what is not finite is worse, too


class HeldOut:
    """Validation rows, without those that training reads as well: they would call reciting an improvement."""

    def __init__(self, rows: Sequence[Worded]) -> None:
        self.rows = rows
        table = table_of(rows)
        self._traits, self._prints = traits(table), fingerprints(table, np.arange(len(rows)))
        self._copied = np.zeros(len(rows), dtype=np.bool_)

    def note(self, table: WordedTable) -> None:
        """See some training rows."""
        alike = np.flatnonzero(np.isin(traits(table), self._traits))
        if len(alike):
            self._copied |= np.isin(self._prints, fingerprints(table, alike))

    @property
    def copies(self) -> int:
        """Rows that are training rows, too."""
        return int(self._copied.sum())

    def sample(self, steps: Steps, *, tokens: int) -> Validation:
        """As many rows as all validations of a run that learns from `tokens` tokens can afford.

        Ids of rows are hashes, so the first ones by id are a sample that does not depend on the order of files.
        """
        rows = [row for row, copied in zip(self.rows, self._copied, strict=True) if not copied]
        room = SHARE * tokens / (len(validation_steps(steps)) + 1)
        affordable = int(np.searchsorted(np.cumsum([len(row.ids) for row in rows]), room, side="right"))
        return Validation(rows[: max(FEWEST, affordable)])


def traits(table: WordedTable) -> IntArray:
    """A number [R] that is the same for the same token ids: of the length and of nine tokens, so that it costs little.

    Rows that differ may share it.
    """
    starts, lengths = table.ids.starts[:-1], table.ids.lengths
    found = lengths.astype(np.uint64)
    held = np.flatnonzero(lengths)
    for eighth in range(9):
        token = table.ids.values[starts[held] + (lengths[held] - 1) * eighth // 8]
        found[held] = (found[held] ^ token.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
    return found.view(np.int64)


def fingerprints(table: WordedTable, rows: IntArray) -> IntArray:
    """A number for the token ids of each of these rows; those that differ have different ones, but for 1 in 2^64."""
    digests = (hashlib.blake2b(table.ids.of(row).astype("<i8").tobytes(), digest_size=8) for row in rows.tolist())
    return np.fromiter((int.from_bytes(each.digest(), signed=True) for each in digests), np.int64, count=len(rows))


def validation_steps(steps: Steps, *, per_epoch: float = PER_EPOCH, least: int = LEAST) -> set[int]:
    """Indices of the steps after which to validate: every quarter epoch or a twentieth of the run, and the last."""
    passed = (steps.epochs * max(per_epoch, least / steps.epochs[-1]) + 1e-9).astype(np.int64)
    marks = np.flatnonzero(np.diff(passed, prepend=0) > 0) + 1
    return {*marks.tolist(), len(steps)}
