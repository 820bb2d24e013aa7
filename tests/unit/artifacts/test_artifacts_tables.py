"""Tables in groups: many rows or long ones never wait in memory all at once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luthier.artifacts import tables
from luthier.artifacts.tables import read_table, write_table

SCHEMA = pa.schema([("turns", pa.list_(pa.struct([("content", pa.string())]))), ("ids", pa.list_(pa.int32()))])


def test_a_group_ends_with_so_many_rows_or_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GROUP_ROWS", 3)
    monkeypatch.setattr(tables, "GROUP_CHARACTERS", 1_000)
    lengths = [10, 10, 10, 10, 990, 10, 2_000, 10]
    rows = [{"turns": [{"content": "x" * length}], "ids": [length]} for length in lengths]
    assert write_table(tmp_path / "rows.parquet", rows, schema=SCHEMA) == 8
    table = pq.ParquetFile(tmp_path / "rows.parquet")
    assert [table.metadata.row_group(n).num_rows for n in range(table.num_row_groups)] == [3, 2, 2, 1]
    assert read_table(tmp_path / "rows.parquet") == rows
