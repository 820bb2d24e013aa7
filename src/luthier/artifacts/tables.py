"""Parquet tables with pinned writer settings, so that equal rows are equal bytes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.errors import UserError

GROUP_ROWS = 10_000
GROUP_CHARACTERS = 32 << 20
"""A group ends with the row that reaches either: rows may be long, and a whole group is held."""


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema) -> int:
    """Write rows (column -> value) under `schema`, at most 10,000 at a time, and return how many there were."""
    count = 0
    with table_writer(path, schema) as writer:
        for batch in _groups(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read all rows; UserError if the file is damaged."""
    with opened(path) as file:
        rows: list[dict[str, Any]] = file.read().to_pylist()
    return rows


def table_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of row groups with the pinned settings, a context manager."""
    return pq.ParquetWriter(path, schema, compression="zstd", version="2.6", write_statistics=False, store_schema=False)


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file for reading; UserError if it, or what is read of it meanwhile, is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}). Run the stage that made it again.") from None


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(dict(row))
        size += sum(map(_characters, row.values()))
        if len(group) >= GROUP_ROWS or size >= GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _characters(value: Any) -> int:
    """About how much a value takes: the characters of all texts in it, 8 for any other."""
    match value:
        case str():
            return len(value)
        case {}:
            return sum(map(_characters, value.values()))
        case [str() | {}, *_]:
            return sum(map(_characters, value))
        case list():
            return 8 * len(value)
        case _:
            return 8
