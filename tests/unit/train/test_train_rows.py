"""Training rows on disk: the same rows, in any order, however many."""

import random
import tracemalloc
from pathlib import Path

import pytest

from luthier.artifacts import tables
from luthier.artifacts.rows import write_worded
from luthier.artifacts.worded import WordedTable
from luthier.errors import UserError
from luthier.records import Worded
from luthier.train.rows import first_rows, sizes_of, store_rows


def make(count: int, *, tokens: int = 7) -> list[Worded]:
    dice = random.Random(count)
    rows = []
    for place in range(count):
        length = dice.randrange(1, 2 * tokens)
        ids = tuple(dice.randrange(50_000) for _ in range(length))
        trained = tuple(dice.random() < 0.5 for _ in ids)
        rows.append(Worded(f"{dice.getrandbits(64):016x}", f"g{place % 5}", f"a:{place}", ids, trained, (), length))
    return rows


def nothing(_rows: WordedTable) -> None:
    """Check nothing."""


@pytest.mark.parametrize("group", [7, 16, 40, 1000])
def test_every_row_is_within_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    rows = make(100)
    monkeypatch.setattr(tables, "GROUP_ROWS", group)
    write_worded(tmp_path / "rows.parquet", rows)
    seen: list[Worded] = []
    stored = store_rows(tmp_path / "rows.parquet", scratch=tmp_path, check=seen.extend)
    assert seen == rows
    order = random.Random(0).sample(range(100), 100)
    assert [stored[place] for place in order] == [rows[place] for place in order]
    assert stored[3:6] == rows[3:6]
    assert stored[-1] == rows[-1]
    with pytest.raises(IndexError):
        stored[100]
    assert (sizes_of(stored).lengths == sizes_of(rows).lengths).all()
    assert (sizes_of(stored).units == sizes_of(rows).units).all()
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GROUP_ROWS", 200)
    held = []
    for count in (1_000, 4_000):
        path = tmp_path / f"{count}.parquet"
        write_worded(path, make(count, tokens=100))
        tracemalloc.start()
        stored = store_rows(path, scratch=tmp_path, check=nothing)
        for place in range(0, count, 10):
            stored[place]
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert held[1] - held[0] < 3_000 * 32


def test_a_check_that_fails_stops_the_reading(tmp_path: Path) -> None:
    write_worded(tmp_path / "rows.parquet", make(3))

    def refuse(_rows: WordedTable) -> None:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        store_rows(tmp_path / "rows.parquet", scratch=tmp_path, check=refuse)


def test_the_first_rows_by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make(50)
    monkeypatch.setattr(tables, "GROUP_ROWS", 8)
    write_worded(tmp_path / "rows.parquet", rows)
    ordered = sorted(rows, key=lambda row: row.id)
    for count in (0, 1, 12, 50, 60):
        assert first_rows(tmp_path / "rows.parquet", by_id=count) == ordered[:count]
