"""Training rows that wait on disk: any of them at once, none of them in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from luthier.artifacts.storage import explain_disk
from luthier.artifacts.tables import opened
from luthier.artifacts.worded import WORDED_SCHEMA, IntArray, WordedTable, table_of, table_of_batch, worded_batches
from luthier.records import Worded

TOGETHER = 16
"""Rows that are read to get one: few, because steps take them in random order."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What planning needs to know of every row: 16 bytes each."""

    lengths: IntArray
    """[N] tokens."""
    units: IntArray
    """[N] what each adds to the denominator of a mean loss (`WordedTable.units`)."""


class StoredRows(Sequence[Worded]):
    """Rows of a table, copied once to where each of them can be reached."""

    def __init__(self, file: pa.RecordBatchFileReader, starts: IntArray, sizes: Sizes) -> None:
        self._file = file
        self._starts = starts
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes.lengths)

    @overload
    def __getitem__(self, index: int) -> Worded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Worded]: ...
    def __getitem__(self, index: int | slice) -> Worded | list[Worded]:
        if isinstance(index, slice):
            return [self._row(place) for place in range(len(self))[index]]
        return self._row(range(len(self))[index])

    def _row(self, index: int) -> Worded:
        batch = int(np.searchsorted(self._starts, index, side="right")) - 1
        return table_of_batch(self._file.get_batch(batch))[index - int(self._starts[batch])]


def sizes_of(rows: Sequence[Worded]) -> Sizes:
    """Sizes of rows, wherever they are."""
    if isinstance(rows, StoredRows):
        return rows.sizes
    table = table_of(rows)
    return Sizes(table.ids.lengths, table.units)


def store_rows(source: Path, *, scratch: Path, check: Callable[[WordedTable], None]) -> StoredRows:
    """Read a table of worded rows once, show every part of it to `check`, and keep it within reach.

    The copy is a file in `scratch` that loses its name at once, so it goes when the process goes. UserError if the
    table is damaged, LuthierError if the disk is full.
    """
    empty = np.zeros(0, dtype=np.int64)
    starts, lengths, units, done = [empty], [empty], [empty], 0
    path = scratch / "rows.arrow"
    with explain_disk(path):
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, WORDED_SCHEMA) as writer:
            for batch in worded_batches(source):
                table = table_of_batch(batch)
                check(table)
                writer.write_table(pa.Table.from_batches([batch]), max_chunksize=TOGETHER)
                starts.append(np.arange(done, done + len(table), TOGETHER))
                lengths.append(table.ids.lengths)
                units.append(table.units)
                done += len(table)
        file = pa.ipc.open_file(pa.OSFile(str(path)))
        path.unlink()
    pa.default_memory_pool().release_unused()
    return StoredRows(file, np.concatenate(starts), Sizes(np.concatenate(lengths), np.concatenate(units)))


def first_rows(source: Path, *, by_id: int) -> list[Worded]:
    """The rows with the smallest ids, in the order of their ids; only these are ever in memory."""
    with opened(source) as file:
        ids = file.read(columns=["id"])["id"]
    chosen = pc.sort_indices(ids).slice(0, by_id).to_numpy()
    found: dict[int, Worded] = {}
    done = 0
    for batch in worded_batches(source):
        table = table_of_batch(batch)
        inside = chosen[(chosen >= done) & (chosen < done + len(table))]
        found.update({int(place): table[int(place) - done] for place in inside})
        done += len(table)
    return [found[int(place)] for place in chosen]
