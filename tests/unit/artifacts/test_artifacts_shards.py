"""Shards: a plan covers every row once and in order, and a shard reads what the plan says."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.artifacts.shards import Part, Shard, parts_of, plan, read_shard
from luthier.artifacts.tables import GROUP_ROWS, write_table
from luthier.errors import UserError

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])
SIZES = st.lists(st.integers(0, 300), max_size=30)


def parts(table: str, sizes: list[int]) -> list[Part]:
    return [Part(table, number, rows=number + 1, size=size) for number, size in enumerate(sizes)]


@given(SIZES, SIZES, st.integers(1, 500))
def test_a_plan_covers_every_row_group_once_in_order_and_is_pure(first: list[int], second: list[int], aim: int) -> None:
    given_parts = [*parts("a.parquet", first), *parts("b.parquet", second)]
    shards = plan(given_parts, aim=aim)
    covered = [(shard.table, number) for shard in shards for number in range(shard.first, shard.last)]
    assert covered == [(part.table, part.number) for part in given_parts]
    assert sum(shard.rows for shard in shards) == sum(part.rows for part in given_parts)
    assert sum(shard.size for shard in shards) == sum(part.size for part in given_parts)
    assert len({shard.name for shard in shards}) == len(shards)
    assert plan(tuple(given_parts), aim=aim) == shards


@given(SIZES, st.integers(1, 500))
def test_a_shard_reaches_the_aim_and_ends_there(sizes: list[int], aim: int) -> None:
    shards = plan(parts("a.parquet", sizes), aim=aim)
    assert all(shard.size >= aim for shard in shards[:-1])
    assert all(shard.size - sizes[shard.last - 1] < aim for shard in shards)


def test_rows_that_follow_a_gap_begin_a_shard() -> None:
    assert plan([Part("a", 0, 5, 10), Part("a", 2, 5, 10)]) == [Shard("a", 0, 1, 5, 10), Shard("a", 2, 3, 5, 10)]


def test_shards_read_the_whole_table_in_order(tmp_path: Path) -> None:
    rows = [{"number": number, "text": f"row {number}"} for number in range(2 * GROUP_ROWS + 5)]
    write_table(tmp_path / "rows.parquet", rows, schema=SCHEMA)
    shards = plan(parts_of(tmp_path, ["rows.parquet"]), aim=1)
    assert [shard.rows for shard in shards] == [GROUP_ROWS, GROUP_ROWS, 5]
    assert [row for shard in shards for row in read_shard(tmp_path, shard)] == rows


def test_an_empty_table_has_no_shards(tmp_path: Path) -> None:
    write_table(tmp_path / "rows.parquet", [], schema=SCHEMA)
    assert plan(parts_of(tmp_path, ["rows.parquet"])) == []


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    table = tmp_path / "rows.parquet"
    write_table(table, [{"number": 1, "text": "some words"}], schema=SCHEMA)
    (shard,) = plan(parts_of(tmp_path, [table.name]))
    good = table.read_bytes()
    table.write_bytes(good[:4] + bytes(40) + good[44:])
    with pytest.raises(UserError, match=r"rows\.parquet: not a readable Parquet file"):
        list(read_shard(tmp_path, shard))
    table.write_bytes(good[:-10])
    with pytest.raises(UserError, match=r"rows\.parquet: not a readable Parquet file"):
        parts_of(tmp_path, [table.name])
