"""Parquet tables with pinned writer settings, so that equal rows are equal bytes."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.errors import UserError

GROUP_ROWS = 10_000


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema) -> int:
    """Write rows (column -> value) under `schema`, 10,000 at a time, and return how many there were."""
    count = 0
    source = iter(rows)
    with pq.ParquetWriter(
        path, schema, compression="zstd", version="2.6", write_statistics=False, store_schema=False
    ) as writer:
        while batch := [dict(row) for row in islice(source, GROUP_ROWS)]:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read all rows; UserError if the file is damaged."""
    try:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}). Run the stage that made it again.") from None
    return rows
