"""Drafts and pipe tables: what points into the text points at the right characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.collect.readers.draft import Draft
from luthier.collect.readers.pipes import cell_text, pipe_table, typed_cells


def test_pipe_tables_keep_every_cell_on_its_own_line() -> None:
    assert pipe_table(["part", "a|b"], [["pump\nbig", 3.0], [None, True, "x"]]) == (
        "| part | a\\|b |  |\n| --- | --- | --- |\n| pump big | 3 |  |\n|  | true | x |"
    )


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (["1", "", "-20"], [1, None, -20]),
        (["1.5", "2"], [1.5, 2]),
        (["\N{MINUS SIGN}3", "4"], [-3, 4]),
        (["007", "8"], ["007", "8"]),
        (["1,234", "5,678"], ["1,234", "5,678"]),
        (["1,234", "5,678,000", "12"], [1234, 5678000, 12]),
        (["1,234.50", "7"], [1234.5, 7]),
        (["5 MB", "6"], ["5 MB", "6"]),
        (["True", "false"], [True, False]),
        (["1.2.3"], ["1.2.3"]),
        (["12345678901234567890"], ["12345678901234567890"]),
        (["", ""], [None, None]),
    ],
)
def test_a_column_is_typed_as_a_whole(column: list[str], values: list[object]) -> None:
    typed = [row[0] for row in typed_cells([[cell] for cell in column])]
    assert typed == values
    assert list(map(type, typed)) == list(map(type, values))


@given(st.lists(st.lists(st.integers(-(10**12), 10**12), min_size=2, max_size=2), min_size=1, max_size=6))
def test_numbers_survive_being_written(rows: list[list[int]]) -> None:
    assert typed_cells([[cell_text(cell) for cell in row] for row in rows]) == tuple(map(tuple, rows))


def test_everything_points_into_the_text_even_after_drafts_are_joined() -> None:
    first, second = Draft(), Draft()
    first.place("slide 1")
    first.heading(" Two\n words ", level=2)
    first.paragraph("- one")
    first.paragraph("- two", gap="\n")
    second.place("slide 2")
    second.code("a = `1`\n```\nb\n")
    second.table(["k", "v"], [["x\u200b", "1"]], at="slide 2")
    whole = Draft()
    whole.append(first)
    whole.append(Draft())
    whole.append(second)
    text = whole.text
    assert text.startswith("## Two words\n\n- one\n- two\n\n````\n")
    assert [(text[offset:].split("\n")[0], level, name) for offset, level, name in whole.headings] == [
        ("## Two words", 2, "Two words")
    ]
    assert [(text[offset : offset + 4], place) for offset, place in whole.anchors] == [
        ("## T", "slide 1"),
        ("````", "slide 2"),
    ]
    assert [text[start:end] for start, end in whole.code_spans] == ["````\na = `1`\n```\nb\n````"]
    (grid,) = whole.grids
    assert text[grid.start : grid.end] == "| k | v |\n| --- | --- |\n| x | 1 |"
    assert grid.rows == (("x", 1),)
    assert whole.cut == {"invisible characters": 1}
