"""Readers: every row with its physical line, every refusal with a reason."""

import csv
import datetime
import io
from pathlib import Path
from typing import get_args

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.collect.config import Format
from luthier.collect.encoding import encoding_of
from luthier.collect.reading import Source, UnreadableError
from luthier.collect.registry import FORMATS, READERS, ROW_READERS, document_reader, row_formats, row_reader
from luthier.records import Document, Reject, Row


def rows_of(path: Path, kind: str) -> list[Row | Reject]:
    return list(row_reader(kind)(Source(path=path, name=path.name, encoding=encoding_of(path))))


def document_of(path: Path, kind: str) -> Document:
    (document,) = document_reader(kind)(Source(path=path, name=path.name, encoding=encoding_of(path)))
    return document


def csv_rows(folder: Path, content: bytes, kind: str = "csv") -> list[Row | Reject]:
    path = folder / f"table.{kind}"
    path.write_bytes(content)
    return rows_of(path, kind)


def test_every_entry_of_the_registries_loads() -> None:
    for kind in READERS:
        reader = row_reader(kind) if kind in ROW_READERS else document_reader(kind)
        assert callable(reader)
    assert [rule.name for rule in row_formats()] == list(FORMATS) == list(get_args(Format))


def test_lines_are_physical_lines_even_after_a_quoted_line_break(tmp_path: Path) -> None:
    rows = csv_rows(tmp_path, b'q,a\n"one\n\ntwo",1\n\nthree,3\nfour\n')
    assert [(row.line, getattr(row, "values", None)) for row in rows] == [
        (2, {"q": "one\n\ntwo", "a": "1"}),
        (6, {"q": "three", "a": "3"}),
        (7, None),
    ]
    assert str(rows[-1]) == "table.csv:7: 1 cells where the header has 2"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiter_and_line_ends_are_found(tmp_path: Path, delimiter: str, ending: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending)
    cells = [["name, given", "text"], ["a", "x; y, z | w"], ["b", 'say "hi"\tnow'], ["c", "d"]]
    writer.writerows(cells)
    rows = csv_rows(tmp_path, out.getvalue().encode())
    assert [list(row.values.values()) for row in rows if isinstance(row, Row)] == cells[1:]
    assert [row.line for row in rows] == [2, 3, 4]


def test_a_stray_quote_costs_one_line_and_no_other(tmp_path: Path) -> None:
    rows = csv_rows(tmp_path, b'q,a\n1,one\n"2,two\n3,three\n4,"four"\n5,five\n')
    assert [(row.line, type(row)) for row in rows] == [(2, Row), (3, Reject), (4, Row), (5, Row), (6, Row)]
    assert isinstance(rows[1], Reject)
    assert "never closed" in rows[1].reason
    assert rows[1].row == '"2,two'


def test_text_after_a_closing_quote_is_said(tmp_path: Path) -> None:
    rows = csv_rows(tmp_path, b'q,a\n"He said "hi"",1\nfine,2\n')
    assert isinstance(rows[0], Reject)
    assert "double the quotes" in rows[0].reason
    assert isinstance(rows[1], Row)


def test_excel_habits_are_understood(tmp_path: Path) -> None:
    rows = csv_rows(tmp_path, b"\xef\xbb\xbfsep=;\r\nq;a;;\r\n1;2;;\r\n;;;\r\n3;4;;\r\n")
    assert [(row.line, row.values) for row in rows if isinstance(row, Row)] == [
        (3, {"q": "1", "a": "2", "column 3": "", "column 4": ""}),
        (5, {"q": "3", "a": "4", "column 3": "", "column 4": ""}),
    ]


def test_blank_cells_behind_the_last_column_do_no_harm(tmp_path: Path) -> None:
    rows = csv_rows(tmp_path, b"q,a\n1,2,,\n3,4,,x\n")
    assert [type(row) for row in rows] == [Row, Reject]


def test_columns_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    (row,) = csv_rows(tmp_path, b"a,a,\n1,2,3\n")
    assert isinstance(row, Row)
    assert row.values == {"a": "1", "a (2)": "2", "column 3": "3"}


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL).filter(any), max_size=15), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str, str]], delimiter: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second", "third"), *cells])
    rows = csv_rows(tmp_path_factory.mktemp("csv"), out.getvalue().encode("utf-8"))
    assert [tuple(row.values.values()) for row in rows if isinstance(row, Row)] == cells


def test_json_lines_that_are_no_rows_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    deep = b"[" * 60 + b"]" * 60
    lines = [
        b'{"a": "x\xe2\x80\xa8y"}',
        b"",
        b"[1]",
        b'{"a": ',
        b'{"a": ' + deep + b"}",
        b'{"a": "\\ud800"}',
        b'{"a": 2}',
    ]
    path.write_bytes(b"\n".join(lines))
    rows = rows_of(path, "jsonl")
    assert [(row.line, type(row)) for row in rows] == [
        (1, Row), (3, Reject), (4, Reject), (5, Reject), (6, Reject), (7, Row),
    ]  # fmt: skip
    reasons = [row.reason for row in rows if isinstance(row, Reject)]
    assert reasons[0] == "expected an object, got a list"
    assert "not valid JSON" in reasons[1]
    assert reasons[2] == "nested more than 50 levels deep"
    assert isinstance(rows[0], Row)
    assert rows[0].values == {"a": "x\u2028y"}


def test_a_json_line_over_the_limit_is_refused_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luthier.collect.readers.lines.MOST_ROW_CHARACTERS", 40)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "' + "x" * 100 + '"}\n{"a": 1}\n')
    rows = rows_of(path, "jsonl")
    assert [(row.line, type(row)) for row in rows] == [(1, Reject), (2, Row)]


def test_numbered_classes_of_parquet_get_their_names(tmp_path: Path) -> None:
    features = {
        "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
        "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"},
        "text": {"dtype": "string", "_type": "Value"},
    }
    rows = {"text": ["a", "b"], "label": [1, -1], "ner_tags": [[0, 1], [7]]}
    path = tmp_path / "rows.parquet"
    for described in (orjson.dumps({"info": {"features": features}}), b"[]", b"not json", b'{"info": {"features": 1}}'):
        pq.write_table(pa.table(rows).replace_schema_metadata({"huggingface": described}), path)
        found = [row.values for row in rows_of(path, "parquet") if isinstance(row, Row)]
        if b"ClassLabel" in described:
            assert found == [
                {"text": "a", "label": "good", "ner_tags": ["O", "B-PER"]},
                {"text": "b", "label": None, "ner_tags": [7]},
            ]
        else:
            assert found[0] == {"text": "a", "label": 1, "ner_tags": [0, 1]}


def test_parquet_rows_are_numbered_and_damage_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"q": ["a", None], "n": [1, 2]}), path)
    rows = rows_of(path, "parquet")
    assert [(row.at, row.values) for row in rows if isinstance(row, Row)] == [
        ("rows.parquet:1", {"q": "a", "n": 1}),
        ("rows.parquet:2", {"q": None, "n": 2}),
    ]
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(UnreadableError, match="damaged Parquet"):
        rows_of(path, "parquet")


def test_sheets_keep_their_row_numbers_and_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    book = openpyxl.Workbook()
    first = book.active
    first.title = "One"
    for row in ([], [None, "q", "when"], [None, 1, datetime.date(2024, 5, 6)], [], [None, 2.5, True]):
        first.append(row)
    book.create_sheet("Empty")
    book.create_sheet("Two").append(["only", "header"])
    book.save(path)
    rows = rows_of(path, "xlsx")
    assert [(row.at, row.values) for row in rows if isinstance(row, Row)] == [
        ("book.xlsx!One:3", {"q": 1, "when": "2024-05-06"}),
        ("book.xlsx!One:5", {"q": 2.5, "when": True}),
    ]
    path.write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(UnreadableError, match="damaged or incomplete"):
        rows_of(path, "xlsx")


def test_markdown_headings_point_into_the_verbatim_text(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    text = (
        "---\ntitle: The Guide\ndraft: no\n---\r\n# Pumps\r\n\r\n```\n# no heading\n```\nUnder\n=====\n## Ünïcode *x*\n"
    )
    path.write_bytes(text.encode())
    document = document_of(path, "markdown")
    assert document.text == text
    assert document.title == "The Guide"
    assert document.meta == {"title": "The Guide", "draft": "no"}
    assert [(level, name) for _, level, name in document.headings] == [(1, "Pumps"), (1, "Under"), (2, "Ünïcode x")]
    assert [text[offset:].split("\n")[0].strip() for offset, _, _ in document.headings] == [
        "# Pumps", "Under", "## Ünïcode *x*",
    ]  # fmt: skip


def test_html_gives_the_main_text_without_navigation(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    body = "".join(f"<p>Paragraph {number} about pumps and their long working life.</p>" for number in range(8))
    path.write_text(
        "<!doctype html><html><head><title>Pumps</title></head>"
        "<body><nav><a href='/'>Home</a> <a href='/x'>Shop</a></nav>"
        f"<article><h1>Pumps</h1>{body}<h2>Cooling</h2><p>Water cools the pump while it works.</p></article>"
        "<footer>Imprint</footer></body></html>"
    )
    document = document_of(path, "html")
    assert all(f"Paragraph {number} about" in document.text for number in range(8))
    assert "Shop" not in document.text
    assert [name for _, _, name in document.headings] == ["Pumps", "Cooling"]
    assert document.title == "Pumps"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Ménière disease über Größe – “quoted”\nCharcôt’s joint\n"),
        ("cp1251", "Код;Диагноз\nБрюшной тиф и паратифы\nДругие сальмонеллезные инфекции\n"),
        ("cp1250", "Zażółć gęślą jaźń\nChoroba wieńcowa serca i nadciśnienie\nŻółtaczka noworodków, świąd skóry\n"),
        ("utf-16", "Größe,Maß\n1,2\n"),
        ("utf-8-sig", "Größe,Maß\n1,2\n"),
        ("cp932", "コード,診断\nA01,腸チフスおよびパラチフス\n"),
    ],
)
def test_encodings_are_recognised(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode(encoding))
    found = encoding_of(path)
    assert found is not None
    assert path.read_text(encoding=found) == text


def test_one_foreign_letter_deep_in_a_file_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_bytes(b"plain words only\n" * 100_000 + "Ménière disease\n".encode("latin-1"))
    assert encoding_of(path) == "cp1252"
    path.write_bytes(b"plain words only\n" * 100_000 + "Брюшной тиф и паратифы\nДругие инфекции\n".encode("cp1251"))
    assert encoding_of(path) == "cp1251"


def test_binary_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "junk.csv"
    path.write_bytes(bytes(range(256)) * 20)
    assert encoding_of(path) is None


@given(st.dictionaries(st.text(max_size=5), st.text(st.characters(codec="utf-8"), max_size=20), max_size=4))
def test_any_json_object_comes_back(tmp_path_factory: pytest.TempPathFactory, value: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("json") / "rows.jsonl"
    path.write_bytes(orjson.dumps(value) + b"\n")
    (row,) = rows_of(path, "jsonl")
    assert isinstance(row, Row)
    assert row.values == value
