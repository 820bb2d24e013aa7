"""Notebooks become documents, CoNLL files become rows of tokens and tags."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.readers import conll, notebook
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document, Reject, Row


def book_of(folder: Path, content: Any) -> Document:
    path = folder / "book.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    (document,) = notebook.read(Source(path=path, name="book.ipynb", encoding="utf-8"))
    return document


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_come_in_order_with_their_output(tmp_path: Path) -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    document = book_of(
        tmp_path,
        {
            "metadata": {"kernelspec": {"language": "python", "name": "python3"}},
            "nbformat": 4,
            "cells": [
                {"cell_type": "markdown", "source": ["# Loads\n", "text\n\n", table]},
                code("\n"),
                code(["x = '# no heading'\n", "x"], {"output_type": "stream", "text": ["a\n", "\x1b[31mb\x1b[0m"]}),
                code("1/0", {"ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": ["long"]}),
                {"cell_type": "raw", "source": "raw words"},
                code("plot()", {"data": {"image/png": "iVBOR", "text/plain": ["<Figure>"]}}),
            ],
        },
    )
    assert document.text == (
        f"# Loads\ntext\n\n{table}\n\n```python\nx = '# no heading'\nx\n```\n\n```text\na\nb\n```\n\n"
        "```python\n1/0\n```\n\n```text\nZeroDivisionError: division by zero\n```\n\nraw words\n\n"
        "```python\nplot()\n```\n\n```text\n<Figure>\n```"
    )
    assert (document.title, document.headings) == ("Loads", ((0, 1, "Loads"),))
    assert [place for _, place in document.anchors] == ["cell 1", "cell 3", "cell 4", "cell 5", "cell 6"]
    assert document.text[document.anchors[1][0] :].startswith("```python\nx")
    assert document.grids[0].rows == ((1, 2),)
    assert document.text[document.code[0][0] : document.code[0][1]].startswith("```python")
    assert (document.cut, document.meta) == ({"pictures": 5}, {"language": "python"})


def test_long_output_is_cut_and_counted(tmp_path: Path) -> None:
    document = book_of(tmp_path, {"cells": [code("x", {"text": "é" * 3_000})]})
    assert document.text.count("é") == 1_024
    assert document.cut == {"output": 1_976}


def test_notebooks_of_format_3_are_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "Old"}, {"cell_type": "code", "input": "1", "outputs": []}]
    document = book_of(tmp_path, {"worksheets": [{"cells": cells}], "nbformat": 3})
    assert document.text == "## Old\n\n```\n1\n```"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "not readable as a notebook"),
        (b"[1]", "no notebook cells"),
        (b'{"cells": [1]}', "a cell without a type"),
        (b'{"cells": [{"cell_type": "code", "source": "", "outputs": [1]}]}', "damaged notebook, cell 1"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        book_of(tmp_path, content)


def rows_of(folder: Path, content: str) -> list[Row | Reject]:
    path = folder / "tags.conll"
    path.write_text(content, encoding="utf-8", newline="")
    return list(conll.read(Source(path=path, name="tags.conll", encoding="utf-8")))


CONLL = """-DOCSTART- -X- O O

# id 7 by hand
EU NNP B-NP B-ORG
# NN O O
rejects VBZ B-VP O

Peter NNP B-NP B-PER
-DOCSTART- -X- O O

Bad NNP
word NNP B-NP O

Last NNP B-NP X
"""


def test_sentences_are_rows_and_documents_are_counted(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, CONLL)
    assert [(row.line, row.values if isinstance(row, Row) else row.reason) for row in rows] == [
        (4, {"tokens": ["EU", "#", "rejects"], "tags": ["B-ORG", "O", "O"], "document": 1}),
        (8, {"tokens": ["Peter"], "tags": ["B-PER"], "document": 1}),
        (11, "2 cells where the other lines have 4"),
        (14, "'X' is no tag such as O, B-PER or I-PER"),
    ]


def test_bare_tags_are_io_and_tabs_keep_spaces(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, "New York\tLOC\r\nis\tO\r\n")
    assert isinstance(row, Row)
    assert row.values == {"tokens": ["New York", "is"], "tags": ["I-LOC", "O"], "document": 1}


def test_files_without_tags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="holds no tags"):
        rows_of(tmp_path, "1\tThe\tthe\tDET\n2\tend\tend\tNOUN\n")


TOKEN = st.tuples(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=6),
    st.sampled_from(["O", "B-A", "I-A", "E-A", "S-B"]),
)


@settings(max_examples=60)
@given(st.lists(st.lists(TOKEN, min_size=1, max_size=5), min_size=1, max_size=5), st.sampled_from(["\t", " "]))
def test_every_token_comes_back(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]], mark: str
) -> None:
    lines = ["\n".join(f"{token}{mark}{tag}" for token, tag in sentence) for sentence in sentences]
    rows = rows_of(tmp_path_factory.getbasetemp(), "x B-A\n\n" + "\n\n".join(lines))
    assert [
        list(zip(row.values["tokens"], row.values["tags"], strict=True)) for row in rows[1:] if isinstance(row, Row)
    ] == sentences
