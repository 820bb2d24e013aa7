"""Worded rows as columns: what is asked of all rows is asked of arrays, without an object for every token."""

# N rows, T tokens of all rows, X texts of all rows

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from luthier.artifacts.tables import opened
from luthier.records import Worded

IntArray = NDArray[np.int64]

WORDED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("group", pa.string()),
        ("at", pa.string()),
        ("ids", pa.list_(pa.int32())),
        ("trained", pa.list_(pa.bool_())),
        ("labels", pa.list_(pa.int32())),
        ("answer_bytes", pa.int32()),
        ("ends", pa.list_(pa.int32())),
        ("score", pa.float64()),
        ("grading", pa.string()),
    ]
)
SEQUENCES = ("ids", "trained", "labels", "ends")
"""Columns with several values a row."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Sequences of unequal length, one after another."""

    values: NDArray[Any]
    """[T]"""
    starts: IntArray
    """[N + 1]: where each begins, and where the last ends."""

    @property
    def lengths(self) -> IntArray:
        """[N]"""
        return np.diff(self.starts)

    def sums(self) -> IntArray:
        """Sum of each sequence: [N]."""
        totals = np.zeros(len(self.values) + 1, dtype=np.int64)
        np.cumsum(self.values, out=totals[1:])
        return np.diff(totals[self.starts])

    def of(self, row: int) -> NDArray[Any]:
        """The sequence of one row."""
        found: NDArray[Any] = self.values[self.starts[row] : self.starts[row + 1]]
        return found


class WordedTable(Sequence[Worded]):
    """Some worded rows: all their `ids` and masks as flat arrays, a single row as a record."""

    def __init__(
        self, columns: Mapping[str, Ragged], *, scores: NDArray[np.float64], row: Callable[[int], Worded]
    ) -> None:
        self.ids, self.trained, self.labels, self.ends = (columns[name] for name in SEQUENCES)
        self.scores = scores
        """[N]: NaN where nobody said anything of a row."""
        self._learnt = self.trained.sums()
        self.whole: NDArray[np.bool_] = ~np.isnan(scores) | (self.ends.lengths > 0) | (self._learnt == 0)
        """[N]: whether a row is learnt as a whole, not token by token: it holds several texts, has a score, or has no
        trained token."""
        self._row = row

    @property
    def units(self) -> IntArray:
        """What each row adds to the denominator of a mean loss: its trained tokens, or 1 if it is learnt whole: [N]."""
        return np.where(self.whole, 1, self._learnt)

    @property
    def longest(self) -> IntArray:
        """Tokens of the longest text of each row: [N]."""
        longest = self.ids.lengths.copy()
        several = self.ends.lengths > 0
        if several.any():
            sizes = np.diff(self.ends.values, prepend=0)
            first = self.ends.starts[:-1][several]
            sizes[first] = self.ends.values[first]
            longest[several] = np.maximum.reduceat(sizes, first)
        return longest

    def texts(self) -> tuple[IntArray, IntArray]:
        """The row of every text, and where the texts begin in `ids`, with the end of the last: [X], [X + 1]."""
        several = self.ends.lengths > 0
        owners = np.repeat(np.arange(len(self)), np.maximum(self.ends.lengths, 1))
        ends = self.ids.starts[1:][owners]
        inside = several[owners]
        ends[inside] = self.ends.values + self.ids.starts[:-1][owners[inside]]
        return owners, np.append(0, ends)

    def __len__(self) -> int:
        return len(self.whole)

    @overload
    def __getitem__(self, index: int) -> Worded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Worded]: ...
    def __getitem__(self, index: int | slice) -> Worded | list[Worded]:
        if isinstance(index, slice):
            return [self._row(place) for place in range(len(self))[index]]
        return self._row(range(len(self))[index])


def table_of(rows: Sequence[Worded]) -> WordedTable:
    """The same rows as a table."""
    if isinstance(rows, WordedTable):
        return rows
    kinds = {name: np.bool_ if name == "trained" else np.int64 for name in SEQUENCES}
    columns = {name: _ragged([getattr(row, name) for row in rows], kind) for name, kind in kinds.items()}
    scores = np.array([np.nan if row.score is None else row.score for row in rows], dtype=np.float64)
    return WordedTable(columns, scores=scores, row=rows.__getitem__)


def table_of_batch(batch: pa.RecordBatch) -> WordedTable:
    """Rows as Arrow holds them (WORDED_SCHEMA)."""
    columns = {name: _flat(batch.column(name)) for name in SEQUENCES}
    scores = batch.column("score").to_numpy(zero_copy_only=False)

    def row(index: int) -> Worded:
        values = {name: batch.column(name)[index].as_py() for name in WORDED_SCHEMA.names if name not in SEQUENCES}
        values |= {name: tuple(column.of(index).tolist()) for name, column in columns.items()}
        return Worded(**values)

    return WordedTable(columns, scores=scores, row=row)


def worded_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a table of worded rows, a group at a time; UserError if the file is damaged."""
    with opened(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=WORDED_SCHEMA.names).cast(WORDED_SCHEMA).to_batches()


def _ragged(sequences: Sequence[Sequence[Any]], kind: type[Any]) -> Ragged:
    starts = np.concatenate([[0], np.cumsum([len(one) for one in sequences], dtype=np.int64)])
    values = np.fromiter(chain.from_iterable(sequences), dtype=kind, count=int(starts[-1]))
    return Ragged(values, starts)


def _flat(column: pa.ListArray) -> Ragged:
    starts = column.offsets.to_numpy().astype(np.int64)
    return Ragged(column.flatten().to_numpy(zero_copy_only=False), starts - starts[0])
