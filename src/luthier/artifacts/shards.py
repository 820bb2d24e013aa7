"""Shards: pieces of tables that are worked on apart, the same on one core and on a cluster."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.artifacts.tables import opened

AIM = 64 << 20
"""Bytes of one shard, before compression."""


@dataclass(frozen=True, slots=True)
class Part:
    """One row group of a table."""

    table: str
    number: int
    rows: int
    size: int
    """Bytes before compression."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Row groups [first, last) of one table."""

    table: str
    first: int
    last: int
    rows: int
    size: int

    @property
    def name(self) -> str:
        """Unique in a plan."""
        return f"{self.table}:{self.first}-{self.last}"


def plan(parts: Sequence[Part], *, aim: int = AIM) -> list[Shard]:
    """Neighbours of one table together until they reach `aim` bytes, in order; a pure function of names and sizes."""
    shards: list[Shard] = []
    for part in parts:
        last = shards[-1] if shards else None
        if last is not None and last.table == part.table and last.last == part.number and last.size < aim:
            grown = Shard(last.table, last.first, part.number + 1, last.rows + part.rows, last.size + part.size)
            shards[-1] = grown
        else:
            shards.append(Shard(part.table, part.number, part.number + 1, part.rows, part.size))
    return shards


def parts_of(folder: Path, tables: Iterable[str]) -> list[Part]:
    """Row groups of some Parquet files of a folder, in the order given; UserError if one cannot be read."""
    parts = []
    for table in tables:
        with opened(folder / table) as file:
            groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
            parts += [Part(table, number, group.num_rows, group.total_byte_size) for number, group in enumerate(groups)]
    return parts


def read_shard(folder: Path, shard: Shard) -> Iterator[dict[str, Any]]:
    """Rows of a shard, one row group in memory at a time; UserError if the file cannot be read."""
    with opened(folder / shard.table) as file:
        for number in range(shard.first, shard.last):
            yield from file.read_row_group(number, use_threads=False).to_pylist()
