"""JSON files with one list of objects: every row at its line, every loss with a reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.encoding import encoding_of
from luthier.collect.readers import json_array
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Reject, Row


def rows_of(folder: Path, content: bytes) -> list[Row | Reject]:
    path = folder / "rows.json"
    path.write_bytes(content)
    return list(json_array.read(Source(path=path, name=path.name, encoding=encoding_of(path))))


def seen(rows: list[Row | Reject]) -> list[tuple[int, Any]]:
    return [(row.line, row.values if isinstance(row, Row) else row.reason) for row in rows]


def test_an_array_gives_rows_at_the_lines_they_begin_on(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b'[\n  {"a": "x]}\\"",\n   "b": [1, {"c": 2}]},\n\n  {"a": "\xc3\xa9"}, {}\n]\n')
    assert seen(rows) == [(2, {"a": 'x]}"', "b": [1, {"c": 2}]}), (5, {"a": "é"}), (5, {})]
    assert [row.at for row in rows if isinstance(row, Row)] == ["rows.json:2", "rows.json:5", "rows.json:5 (2)"]


def test_the_only_list_of_objects_in_an_object_is_found(tmp_path: Path) -> None:
    content = (
        b'{"version": "1.0", "ids": [1, 2], "about": {"by": [{"x": 1}]},\n "data": [ {"a": 1},\n {"a": 2}], "n": null}'
    )
    assert seen(rows_of(tmp_path, content)) == [(2, {"a": 1}), (3, {"a": 2})]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"a": 1}', "in it no list of objects; save it as JSON Lines"),
        (b'{"a": [{}],\n "b": [{}]}', 'holds two lists of objects, "a" and "b"'),
        (b'"text"', "neither a JSON array nor a JSON object"),
        (b"[{}]\n[{}]", "line 2: something follows the end"),
        (b"{a: 1}", "line 1: not valid JSON; expected a name in quotes"),
        (b'[{"a": 1]}]', "line 1: not valid JSON"),
        (b'{"a": [{}', "x"),
    ],
)
def test_other_json_is_refused_with_a_reason(tmp_path: Path, content: bytes, problem: str) -> None:
    if problem == "x":
        assert seen(rows_of(tmp_path, content)) == [(1, {}), (1, "the file ends before its list of objects is closed")]
        return
    with pytest.raises(UnreadableError, match=problem):
        rows_of(tmp_path, content)


def test_questions_of_paragraphs_of_articles_are_rows_of_their_own(tmp_path: Path) -> None:
    one, other = {"id": "a", "question": "Who?"}, {"id": "b", "question": "Where?"}
    paragraphs = [{"context": "x", "qas": [one, other]}, {"context": "y"}]
    content = json.dumps({"version": "2", "data": [{"title": "T", "paragraphs": paragraphs}, {"qas": [one]}]})
    first, second, bad, third = rows_of(tmp_path, content.encode())
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert first.values == {"title": "T", "context": "x", **one}
    assert second.at == "rows.json:1, paragraph 1, question 2"
    assert isinstance(bad, Reject)
    assert (bad.line, bad.reason) == (1, "no list 'qas' of questions, in 1, paragraph 2")
    assert isinstance(third, Row)
    assert (third.at, third.values) == ("rows.json:1 (2), question 1", one)


def test_a_bad_row_costs_itself(tmp_path: Path) -> None:
    deep = b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}"
    rows = rows_of(tmp_path, b'[{"a": 1},\n"text", 7,\n{"a": 1,},\n' + deep + b',\n{"a": NaN},\n{"a": 2}, {"a": ')
    assert [(row.line, type(row)) for row in rows] == [
        (1, Row), (2, Reject), (2, Reject), (3, Reject), (4, Reject), (5, Reject), (6, Row), (6, Reject),
        (6, Reject),
    ]  # fmt: skip
    reasons = [row.reason for row in rows if isinstance(row, Reject)]
    assert reasons[:2] == ["expected an object, got a string", "expected an object, got a number"]
    assert reasons[3] == "nested more than 50 levels deep"
    assert reasons[5] == "the file ends inside this row"


def test_the_offset_of_a_refused_row_is_its_byte(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf[{"a": "\xc3\xa9"}, 12]'
    (bad,) = [row for row in rows_of(tmp_path, content) if isinstance(row, Reject)]
    assert bad.offset is not None
    assert content[bad.offset : bad.offset + 2] == b"12"


def test_other_encodings_are_read(tmp_path: Path) -> None:
    assert seen(rows_of(tmp_path, '[{"a": "é"}]'.encode("utf-16"))) == [(1, {"a": "é"})]


def test_a_row_over_the_limit_is_refused_and_the_next_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MOST_ROW_CHARACTERS", 40)
    monkeypatch.setattr(json_array, "BLOCK", 7)
    rows = rows_of(tmp_path, b'[{"a": "' + b'x\\"' * 50 + b'"}, {"a": 1}]')
    assert [type(row) for row in rows] == [Reject, Row]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(
    st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=6),
    st.sampled_from([None, 1, 3]),
    st.integers(1, 40),
    st.booleans(),
)
def test_what_a_writer_wrote_comes_back_at_any_block_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None, block: int, escape: bool
) -> None:
    content = json.dumps(rows, indent=indent, ensure_ascii=escape).encode("utf-8", errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "BLOCK", block)
        read = rows_of(tmp_path_factory.mktemp("json"), content)
    assert [row.values for row in read if isinstance(row, Row)] == json.loads(content)
    lines = content.split(b"\n")
    assert all(b"{" in lines[row.line - 1] for row in read)
