"""Parquet tables with pinned writer settings, so that equal rows are equal bytes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.errors import UserError


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema) -> int:
    """Write rows (column -> value) under `schema` and return how many there were."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    pq.write_table(table, path, compression="zstd", version="2.6", write_statistics=False, store_schema=False)
    return int(table.num_rows)


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read all rows; UserError if the file is damaged."""
    try:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}). Run the stage that made it again.") from None
    return rows
