"""Worded rows as columns: what is asked of all rows is asked of arrays, without an object for every token."""

# N rows, T tokens of all rows

from collections.abc import Callable, Iterator, Sequence
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
        ("label", pa.int32()),
        ("answer_bytes", pa.int32()),
    ]
)
NO_LABEL = int(np.iinfo(np.int32).min)
"""Stands for None among labels."""


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

    def __init__(self, ids: Ragged, trained: Ragged, labels: IntArray, *, row: Callable[[int], Worded]) -> None:
        self.ids = ids
        self.trained = trained
        self.labels = labels
        """[N], NO_LABEL for None."""
        self._row = row

    @property
    def units(self) -> IntArray:
        """What each row adds to the denominator of a mean loss: its trained tokens, or 1 if it has a label: [N]."""
        return np.where(self.labels == NO_LABEL, self.trained.sums(), 1)

    def __len__(self) -> int:
        return len(self.labels)

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
    labels = [NO_LABEL if row.label is None else row.label for row in rows]
    return WordedTable(
        _ragged([row.ids for row in rows], np.int64),
        _ragged([row.trained for row in rows], np.bool_),
        np.array(labels, dtype=np.int64),
        row=rows.__getitem__,
    )


def table_of_batch(batch: pa.RecordBatch) -> WordedTable:
    """Rows as Arrow holds them (WORDED_SCHEMA)."""
    ids, trained = _flat(batch.column("ids")), _flat(batch.column("trained"))
    labels = batch.column("label").fill_null(NO_LABEL).to_numpy().astype(np.int64)

    def row(index: int) -> Worded:
        label = int(labels[index])
        rest = {name: batch.column(name)[index].as_py() for name in ("id", "group", "at", "answer_bytes")}
        return Worded(
            ids=tuple(ids.of(index).tolist()),
            trained=tuple(trained.of(index).tolist()),
            label=None if label == NO_LABEL else label,
            **rest,
        )

    return WordedTable(ids, trained, labels, row=row)


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
