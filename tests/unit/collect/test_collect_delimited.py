"""CSV as the world writes it: dialects, stray quotes, ragged rows, and where every row begins."""

import csv
import io
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.encoding import encoding_of
from luthier.collect.reading import Source
from luthier.collect.registry import row_reader
from luthier.records import Reject, Row


def read(folder: Path, content: bytes, kind: str = "csv") -> list[Row | Reject]:
    path = folder / f"table.{kind}"
    path.write_bytes(content)
    return list(row_reader(kind)(Source(path=path, name=path.name, encoding=encoding_of(path))))


def cells(items: list[Row | Reject]) -> list[list[str] | str]:
    """Cells of each row, the reason of each refused one."""
    return [list(item.values.values()) if isinstance(item, Row) else item.reason for item in items]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # One column, and commas that nobody quoted.
        ("text\nhello, world\nno comma\na, b, c\n", [["hello, world"], ["no comma"], ["a, b, c"]]),
        # Decimal commas under a semicolon.
        ("a;b\n1,5;2,5\n3,5;4,5\n", [["1,5", "2,5"], ["3,5", "4,5"]]),
        # A blank behind the comma, before the quote.
        ('a, b\n1, "x, y"\n2, "z"\n', [["1", "x, y"], ["2", "z"]]),
        ('a, b\n"1\n", "x\ny"\n"2", "z"\n', [["1\n", "x\ny"], ["2", "z"]]),
        # Backslashed quotes, as MySQL and JavaScript write them.
        ('a,b\n1,"say \\"hi\\", ok"\n2,"C:\\new"\n', [["1", 'say "hi", ok'], ["2", "C:\\new"]]),
        # Doubled quotes, an empty quoted cell, a quote inside an unquoted cell.
        ('a,b\n"say ""hi""",""\n5" pipe,x\n', [['say "hi"', ""], ['5" pipe', "x"]]),
        # A cell of many lines with quotes, delimiters and blank lines in it.
        ('a,b\n"1\n""x"",\n\n,y\n",z\n2,w\n', [['1\n"x",\n\n,y\n', "z"], ["2", "w"]]),
        # The header of a file that was appended.
        ("a,b\n1,2\na,b\n3,4\n", [["1", "2"], "the header stands here again", ["3", "4"]]),
        # No line end at the end, blank lines between.
        ("a,b\r\n\r\n1,2\r\n\r\n3,4", [["1", "2"], ["3", "4"]]),
    ],
)
def test_dialects(tmp_path: Path, content: str, expected: list[list[str] | str]) -> None:
    assert cells(read(tmp_path, content.encode())) == expected


def test_quotes_in_tab_separated_files_may_be_letters(tmp_path: Path) -> None:
    content = 'id\ttext\n1\t"Hi" he said\n2\t"open\n3\tplain\n4\t""\n'
    assert cells(read(tmp_path, content.encode(), "tsv")) == [
        ["1", '"Hi" he said'],
        ["2", '"open'],
        ["3", "plain"],
        ["4", '""'],
    ]
    quoted = 'id\ttext\n1\t"a\tb"\n2\t"c\nd"\n'
    assert cells(read(tmp_path, quoted.encode(), "tsv")) == [["1", "a\tb"], ["2", "c\nd"]]


def test_a_cell_of_thousands_of_lines_is_one_cell(tmp_path: Path) -> None:
    log = "".join(f'{line} ""ok"",\n' for line in range(5_000))
    (first, second) = read(tmp_path, f'a,b\n1,"{log}"\n2,x\n'.encode())
    assert isinstance(first, Row)
    assert first.values["b"].count("\n") == 5_000
    assert (first.line, second.line) == (2, 5_003)


def test_a_stray_quote_does_not_swallow_rows_that_stand_alone(tmp_path: Path) -> None:
    items = read(tmp_path, b'a,b,c\n"1,x,x\n2,y,y\n3,z,z\n4,v",w\n5,v,v\n')
    stray = "a quote is opened here and never closed"
    assert cells(items) == [stray, ["2", "y", "y"], ["3", "z", "z"], ["4", 'v"', "w"], ["5", "v", "v"]]
    assert [item.line for item in items] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_offsets_are_the_bytes_at_which_rows_begin(tmp_path: Path, mark: bytes, ending: str) -> None:
    lines = ["näme,text", "ü,⏏", '"a', 'b",c', "one", '"x" y,z', "last,row"]
    content = mark + ending.join(lines).encode()
    items = read(tmp_path, content)
    assert [type(item) for item in items] == [Row, Row, Reject, Reject, Row]
    begins = [content[item.offset :].decode().split(ending)[0] for item in items]
    assert begins == ["ü,⏏", '"a', "one", '"x" y,z', "last,row"]


def test_offsets_of_json_lines_and_none_in_other_encodings(tmp_path: Path) -> None:
    content = '{"a": "ü"}\n\n[1]\r\n{"a": "\u2028"}\n{'.encode()
    items = read(tmp_path, content, "jsonl")
    assert [item.offset for item in items] == [0, 13, 18, 31]
    assert [item.line for item in items] == [1, 3, 4, 5]
    (row,) = read(tmp_path, "a,b\nü,é\n".encode("utf-16"))
    assert row.offset is None


CELLS = st.text(st.sampled_from(list('ab,;"\n\r\t| ü')), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_writer_quotes_comes_back(rows: list[list[str]], delimiter: str, ending: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerows([["first", "second"], *rows])
    content = out.getvalue().encode()
    with tempfile.TemporaryDirectory() as folder:
        items = read(Path(folder), content)
    assert cells(items) == [row for row in rows if any(row)]
    for item in items:
        assert content[: item.offset].endswith((b"\n", b"\r"))
        assert item.line == 1 + len(content[: item.offset].decode().splitlines())


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_large_file_streams_in_flat_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"table.{kind}"
    row = {"csv": '1,"two\nlines of it, ""quoted"""\n', "jsonl": '{"a": "1", "b": "two\\nlines of it, quoted"}\n'}[kind]
    path.write_text("a,b\n" * (kind == "csv") + row * 20_000)
    tracemalloc.start()
    count = sum(1 for _ in row_reader(kind)(Source(path=path, name=path.name, encoding="utf-8")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1 << 20
