"""Formats that stay as they are: the text is the file, and what was found in it lies where it says."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from luthier.collect.encoding import encoding_of
from luthier.collect.reading import Source, UnreadableError
from luthier.collect.registry import document_reader
from luthier.records import Document

VERBATIM = ["text", "markdown", "rst", "asciidoc", "latex"]


def read(folder: Path, content: str | bytes, kind: str, *, encoding: str | None = None) -> Document:
    path = folder / "notes.file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    source = Source(path=path, name="shelf/notes.file", encoding=encoding or encoding_of(path))
    (document,) = document_reader(kind)(source)
    return document


def shown(document: Document) -> list[tuple[int, str]]:
    """Level and words of each heading; each must stand where its offset points."""
    for offset, _, words in document.headings:
        line = document.text[offset:].splitlines()[0]
        assert words.split()[0].strip("“”é") in line or "\\" in line, (words, line)
    return [(level, words) for _, level, words in document.headings]


def code_of(document: Document) -> list[str]:
    return [document.text[start:end] for start, end in document.code]


def test_plain_text_headings_stand_alone(tmp_path: Path) -> None:
    text = (
        "OPERATING MANUAL\n\n1. Cooling\n\nThe loop is closed.\n\n1.2 Pumps and valves\n\n1. Switch it off.\n\n"
        "2. Wait\nand see.\n\n2. Heating\n\nA SHORT SENTENCE IN CAPITALS.\nIt is none.\n\nWarm parts\n----------\n"
        "text\n\nChapter 4: Repairs\n\nx\n"
    )
    assert shown(read(tmp_path, text, "text")) == [
        (1, "OPERATING MANUAL"),
        (2, "1. Cooling"),
        (3, "1.2 Pumps and valves"),
        (2, "2. Heating"),
        (3, "Warm parts"),
        (4, "Chapter 4: Repairs"),
    ]


def test_numbered_lines_without_text_below_are_a_list(tmp_path: Path) -> None:
    assert shown(read(tmp_path, "Shopping:\n\n1. Milk\n\n2. Bread\n\n3. Salt\n\nThat is all.\n", "text")) == []


MARKDOWN = """---
title: "The pumps"
tags:
  - water
  - heat
---
# Pumps `P3` and [valves](x.html)

| Pump | Litres | Note |
|:-----|-------:|------|
| **A** | 12 | a \\| b |
| B | 7.5 | |

```python
# no heading
```

Old
---
    indented code
"""


def test_markdown_has_headings_code_tables_and_front_matter(tmp_path: Path) -> None:
    document = read(tmp_path, MARKDOWN, "markdown")
    assert (document.title, document.meta) == ("The pumps", {"title": "The pumps", "tags": "water, heat"})
    assert [(level, words) for _, level, words in document.headings] == [(1, "Pumps P3 and valves"), (2, "Old")]
    assert document.text[document.headings[0][0] :].startswith("# Pumps")
    assert code_of(document) == ["```python\n# no heading\n```", "    indented code"]
    (grid,) = document.grids
    assert (grid.at, grid.header) == ("shelf/notes.file:9", ("Pump", "Litres", "Note"))
    assert grid.rows == (("A", 12, "a | b"), ("B", 7.5, None))
    assert document.text[grid.start : grid.end].endswith("| B | 7.5 | |")


def test_toml_front_matter_is_read(tmp_path: Path) -> None:
    document = read(tmp_path, '+++\ntitle = "A"\ndraft = false\n[x]\ny = 1\n+++\ntext', "markdown")
    assert document.meta == {"title": "A", "draft": "False"}
    assert read(tmp_path, "+++\nnot toml\n+++\n# B", "markdown").title == "B"


RST = """:Author: Ada
:Date: 2024-01-02

=====
Pumps
=====

.. _cooling:
Cooling :mod:`loop`
-------------------

Type this::

    Not a title
    -----------

>>> 1 + 1
2

.. code-block:: python
   :linenos:

   run()

   stop()

Deeper
~~~~~~

Next
----

=====  =====
a      b
=====  =====
"""


def test_rst_titles_take_their_level_from_first_use(tmp_path: Path) -> None:
    document = read(tmp_path, RST, "rst")
    assert shown(document) == [(1, "Pumps"), (2, "Cooling loop"), (3, "Deeper"), (2, "Next")]
    assert document.meta == {"author": "Ada", "date": "2024-01-02"}
    assert code_of(document) == [
        "    Not a title\n    -----------",
        ">>> 1 + 1\n2",
        ".. code-block:: python\n   :linenos:\n\n   run()\n\n   stop()",
    ]


ASCIIDOC = """// a comment
= The *Pumps*
Ada <ada@example.com>
:revdate: 2024

== Cooling ==

[source,sh]
.Start it
----
== no title
----

Old style
---------
words

////
== hidden
////
=== Deep
"""


def test_asciidoc_titles_listings_and_attributes(tmp_path: Path) -> None:
    document = read(tmp_path, ASCIIDOC, "asciidoc")
    assert [(level, words) for _, level, words in document.headings] == [
        (1, "The Pumps"),
        (2, "Cooling"),
        (2, "Old style"),
        (3, "Deep"),
    ]
    assert code_of(document) == ["[source,sh]\n.Start it\n----\n== no title\n----"]
    assert document.meta == {"revdate": "2024"}


LATEX = r"""\documentclass{article}
\title{Pumpen \& \textbf{Ventile}\thanks{Paid}}
\author{J\"urgen Stra{\ss}e}
\newcommand{\x}[1]{\section{#1}}
\begin{document}
% \section{Hidden} \begin{verbatim}
\section[short]{Cooling {\em the} loop~1}\label{s}
100\% \section*{After}
\begin{lstlisting}
\section{code} % not a comment
\end{lstlisting}
\subsection{Na\"ive $x^2$ --- caf\'{e}}
\end{document}
"""


def test_latex_sections_listings_and_title(tmp_path: Path) -> None:
    document = read(tmp_path, LATEX, "latex")
    assert document.meta == {"title": "Pumpen & Ventile", "author": "Jürgen Straße"}
    assert [(level, words) for _, level, words in document.headings] == [
        (1, "Cooling the loop 1"),
        (1, "After"),
        (2, "Naïve $x^2$ — café"),
    ]
    assert [re.match(r"\\\w+", document.text[offset:]) is not None for offset, _, _ in document.headings] == [True] * 3
    assert code_of(document) == [LATEX[LATEX.index("\\begin{lst") : LATEX.index("\\subsection") - 1]]


MARKS = (
    "# A|B\n---|= T|== S ==|1. Word|\\section{x}|```|----|::|    x|\\begin{verbatim}|\\end{verbatim}|%|---\n|+++\n|>>> "
)
PIECES = st.sampled_from([*MARKS.split("|"), "| a |\n|-|\n| 1 |", "\r", "\r\n", "\n", "\n\n", "\x0c", "\u2028", "é"])


@pytest.mark.parametrize("kind", VERBATIM)
@settings(max_examples=60)
@given(st.lists(PIECES | st.text(st.characters(codec="utf-8"), max_size=5), max_size=12))
@example(["+++\n", "+++\n"])
def test_the_text_is_the_file_and_all_places_lie_inside(
    tmp_path_factory: pytest.TempPathFactory, kind: str, pieces: list[str]
) -> None:
    text = "".join(pieces)
    document = read(tmp_path_factory.getbasetemp(), text, kind, encoding="utf-8")
    assert document.text == text
    starts = [offset for offset, _, _ in document.headings]
    assert starts == sorted(starts)
    assert all(text[offset:].strip() and level >= 1 for offset, level, _ in document.headings)
    assert all(text[start:end].strip() for start, end in document.code)
    assert all(before[1] <= after[0] for before, after in zip(document.code, document.code[1:], strict=False))
    assert all("|" in text[grid.start : grid.end] for grid in document.grids)


def test_windows_text_keeps_its_line_ends(tmp_path: Path) -> None:
    content = "\ufeffÜberschrift\r\n===========\r\n\r\nText\r\n".encode()
    document = read(tmp_path, content, "rst")
    assert document.text.encode("utf-8") == content[3:]
    assert shown(document) == [(1, "Überschrift")]


def test_text_of_two_encodings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="encodings are mixed"):
        read(tmp_path, b"caf\xe9", "text", encoding="utf-8")
