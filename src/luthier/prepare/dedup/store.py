"""What near-duplicates are found by, in files: memory stays small however many texts there are."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from luthier.prepare.dedup.matching import Offsets
from luthier.prepare.dedup.shingles import Hashes
from luthier.prepare.dedup.signature import BANDS, Codes, Signed

TEXTS, SHINGLES = "texts.arrow", "shingles.bin"
SCHEMA = pa.schema(
    [
        ("size", pa.int64()),
        ("print", pa.uint64()),
        ("short", pa.bool_()),
        ("numbers", pa.uint64()),
        ("singles", pa.uint64()),
        *[(f"band{band:02}", pa.uint64()) for band in range(BANDS)],
    ]
)
"""One row per text; `size` is the number of its shingles, which stand in `shingles.bin` one text after another."""
ROWS = 1 << 13
"""Texts written at once."""


def write_signed(folder: Path, signed: Iterable[Signed]) -> None:
    """Write signatures into a folder, in order."""
    with (folder / SHINGLES).open("wb") as shingles, pa.ipc.new_file(folder / TEXTS, SCHEMA) as texts:
        held: list[pa.RecordBatch] = []
        for one in signed:
            shingles.write(one.shingles.values.astype("<u8", copy=False).data)
            held.append(_batch(one))
            if sum(map(len, held)) >= ROWS:
                texts.write(pa.concat_batches(held))
                held = []
        if held:
            texts.write(pa.concat_batches(held))


def _batch(signed: Signed) -> pa.RecordBatch:
    codes = signed.codes
    columns = [np.diff(signed.shingles.starts), signed.prints, codes.short, codes.numbers, codes.singles, *signed.keys]
    return pa.record_batch([pa.array(column) for column in columns], schema=SCHEMA)


class StoredSignatures:
    """Signatures of all texts of some folders, by number of the text; about 40 bytes of memory per text."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        sizes = [self._column("size", [folder]) for folder in folders]
        self._firsts = np.cumsum([0, *map(len, sizes)])
        self.sizes: Offsets = np.concatenate([np.zeros(0, np.int64), *sizes])
        self._starts = np.concatenate(([0], np.cumsum(self.sizes)))
        self.prints: Hashes = self._column("print", folders)
        self.codes = Codes(*(self._column(name, folders) for name in ("short", "numbers", "singles")))

    def __len__(self) -> int:
        return len(self.sizes)

    def bands(self) -> Iterator[Hashes]:
        """Band after band, the key of every text."""
        for band in range(BANDS):
            yield self._column(f"band{band:02}", self._folders)

    def shingles(self, texts: Offsets) -> Iterator[Hashes]:
        """Distinct shingles of each of some texts, ascending; the texts ascend too."""
        owners = np.searchsorted(self._firsts, texts, side="right") - 1
        for owner in np.unique(owners).tolist():
            before = self._starts[self._firsts[owner]]
            own = texts[owners == owner]
            starts, sizes = 8 * (self._starts[own] - before), 8 * self.sizes[own]
            with (self._folders[owner] / SHINGLES).open("rb") as file:
                for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
                    yield np.frombuffer(os.pread(file.fileno(), size, start), dtype="<u8")

    def _column(self, name: str, folders: Sequence[Path]) -> Any:
        # Mapped: Arrow would find room for the other columns too.
        options = pa.ipc.IpcReadOptions(included_fields=[SCHEMA.get_field_index(name)])
        tables = []
        for folder in folders:
            with pa.ipc.open_file(pa.memory_map(str(folder / TEXTS)), options=options) as file:
                tables.append(file.read_all())
        return pa.concat_tables([SCHEMA.empty_table().select([name]), *tables]).column(name).to_numpy()
