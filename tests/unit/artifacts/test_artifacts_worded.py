"""Worded rows as columns."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.artifacts import tables
from luthier.artifacts.rows import read_worded, write_worded
from luthier.artifacts.worded import table_of, table_of_batch, worded_batches
from luthier.errors import UserError
from luthier.records import Worded


@st.composite
def worded(draw: st.DrawFn) -> Worded:
    ids = tuple(draw(st.lists(st.integers(0, 2**31 - 1), max_size=9)))
    trained = tuple(draw(st.booleans()) for _ in ids)
    numbers = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    score = draw(st.none() | st.floats(0, 1))
    texts = [draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=5)) for _ in range(4)]
    *about, grading = texts
    return Worded(*about, ids, trained, draw(numbers), draw(st.integers(0, 1000)), draw(numbers), score, grading)


@given(rows=st.lists(worded(), max_size=12), group=st.integers(1, 5))
def test_rows_come_back_from_columns(tmp_path_factory: pytest.TempPathFactory, rows: list[Worded], group: int) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "GROUP_ROWS", group)
        assert write_worded(path, rows) == len(rows)
    assert read_worded(path) == rows
    for table in (table_of(rows), *map(table_of_batch, worded_batches(path))):
        assert table.ids.lengths.tolist() == [len(row.ids) for row in table]
        whole = [bool(row.ends) or row.score is not None or not any(row.trained) for row in table]
        assert table.units.tolist() == [1 if one else sum(row.trained) for one, row in zip(whole, table, strict=True)]
        assert table[1:] == list(table)[1:]
    assert list(table_of(rows)) == rows


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 no table")
    with pytest.raises(UserError, match=r"rows\.parquet: not a readable Parquet file"):
        list(worded_batches(path))
