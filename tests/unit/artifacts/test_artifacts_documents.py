"""Documents come back from their table as they went in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.documents import read_documents, write_documents
from luthier.errors import UserError
from luthier.records import Document, Grid, Page

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBER = st.integers(0, 2**40)
CELL = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
GRID = st.builds(
    Grid,
    at=TEXT,
    start=NUMBER,
    end=NUMBER,
    header=st.lists(TEXT).map(tuple),
    rows=st.lists(st.lists(CELL, max_size=3).map(tuple), max_size=3).map(tuple),
)
PAGE = st.builds(
    Page,
    place=TEXT,
    state=st.sampled_from(["read", "plain", "scanned", "bad text layer"]),
    coverage=st.floats(0, 1),
    lost=st.lists(TEXT, max_size=2).map(tuple),
)
DOCUMENT = st.builds(
    Document,
    id=TEXT,
    file=TEXT,
    kind=TEXT,
    title=TEXT,
    text=TEXT,
    headings=st.lists(st.tuples(NUMBER, st.integers(1, 6), TEXT), max_size=3).map(tuple),
    meta=st.dictionaries(TEXT, TEXT, max_size=2),
    anchors=st.lists(st.tuples(NUMBER, TEXT), max_size=2).map(tuple),
    grids=st.lists(GRID, max_size=2).map(tuple),
    code=st.lists(st.tuples(NUMBER, NUMBER), max_size=2).map(tuple),
    pages=st.lists(PAGE, max_size=2).map(tuple),
    thread=st.none() | TEXT,
    cut=st.dictionaries(TEXT, NUMBER, max_size=2),
)


@given(st.lists(DOCUMENT, max_size=4))
def test_any_documents_come_back(tmp_path_factory: pytest.TempPathFactory, documents: list[Document]) -> None:
    path = tmp_path_factory.mktemp("documents") / "documents.parquet"
    assert write_documents(path, documents) == len(documents)
    back = list(read_documents(path))
    assert back == documents
    kinds = [[type(cell) for grid in document.grids for row in grid.rows for cell in row] for document in back]
    assert kinds == [[type(cell) for grid in one.grids for row in grid.rows for cell in row] for one in documents]


def test_many_documents_are_written_in_groups_and_the_bytes_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luthier.artifacts.documents.GROUP_ROWS", 3)
    documents = [Document(id=f"{n}", file=f"{n}.txt", kind="text", title="t", text="x" * n) for n in range(10)]
    for name in ("one", "two"):
        write_documents(tmp_path / name, iter(documents))
    assert [document.id for document in read_documents(tmp_path / "one")] == [f"{n}" for n in range(10)]
    assert sha256_of_file(tmp_path / "one") == sha256_of_file(tmp_path / "two")


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "documents.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"documents\.parquet: not a readable Parquet file"):
        list(read_documents(tmp_path / "documents.parquet"))
