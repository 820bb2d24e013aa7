"""Chunks: nothing lost, nothing twice, borders kept."""

import re

from hypothesis import given
from hypothesis import strategies as st

from luthier.prepare.chunk import AIM, MOST, cut
from luthier.records import Document, Grid

PARAGRAPHS = st.lists(
    st.one_of(
        st.text(alphabet="abcé ß.\n😀", min_size=0, max_size=300),
        st.integers(1, 400).map(lambda count: "Eine kurze Zeile über Pumpen. " * count),
        st.integers(1, 60).map(lambda size: "x" * 100 * size),
    ),
    max_size=8,
)


def document(text: str, headings: tuple[tuple[int, int, str], ...] = (), grids: tuple[Grid, ...] = ()) -> Document:
    return Document(id="d", file="a.md", kind="markdown", title="a", text=text, headings=headings, grids=grids)


def chapters(paragraphs: list[str], levels: list[int]) -> Document:
    text, headings = "", []
    for number, (paragraph, level) in enumerate(zip(paragraphs, levels, strict=False)):
        headings.append((len(text), level, f"Part {number}"))
        text += f"{'#' * level} Part {number}\n\n{paragraph}\n\n"
    return document(text, tuple(headings))


@given(PARAGRAPHS, st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_every_character_is_in_one_chunk_and_the_span_is_its_text(paragraphs: list[str], levels: list[int]) -> None:
    found = chapters(paragraphs, levels)
    raw = found.text.encode()
    chunks = cut(found)
    end = 0
    kept = b""
    for chunk in chunks:
        assert chunk.span.start >= end
        end = chunk.span.end
        assert raw[chunk.span.start : end].decode() == chunk.text
        kept += raw[chunk.span.start : end]
    assert re.sub(rb"\s", b"", kept) == re.sub(rb"\s", b"", raw)


@given(PARAGRAPHS, st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_no_chunk_is_too_large_or_crosses_a_high_heading(paragraphs: list[str], levels: list[int]) -> None:
    found = chapters(paragraphs, levels)
    high = [len(found.text[:offset].encode()) for offset, level, _ in found.headings if level <= 2]
    for chunk in cut(found):
        assert len(chunk.text.encode()) <= MOST or " " not in chunk.text.strip()
        assert not any(chunk.span.start < border < chunk.span.end for border in high)
        assert chunk.text.strip()


def test_short_paragraphs_share_a_chunk_and_long_ones_are_cut_at_sentences() -> None:
    short = cut(document("\n\n".join(["One paragraph of a few words."] * 20)))
    assert len(short) == 1
    sentences = "A pump needs oil once a month. " * 400
    long = cut(document(sentences))
    assert all(len(chunk.text) <= AIM and chunk.text.endswith("month.") for chunk in long)


def test_the_path_holds_the_headings_above() -> None:
    text = "# Cooling\n\nIntro.\n\n## Pumps\n\nBody.\n\n# Oil\n\nEnd."
    headings = tuple(
        (text.index(line), level, line.lstrip("# "))
        for line, level in (("# Cooling", 1), ("## Pumps", 2), ("# Oil", 1))
    )
    assert [chunk.path for chunk in cut(document(text, headings))] == [("Cooling",), ("Cooling", "Pumps"), ("Oil",)]


def test_a_table_stays_whole_and_a_long_one_repeats_its_header() -> None:
    small = "| a | b |\n|---|---|\n| 1 | 2 |"
    text = f"Before.\n\n{small}\n\nAfter."
    start = text.index(small)
    whole = cut(document(text, grids=(Grid("a", start, start + len(small), ("a", "b"), ()),)))
    assert any(small in chunk.text for chunk in whole)
    rows = "".join(f"| {number} | {'x' * 50} |\n" for number in range(300))
    table = f"| a | b |\n|---|---|\n{rows}".rstrip()
    chunks = cut(document(table, grids=(Grid("a", 0, len(table), ("a", "b"), ()),)))
    assert len(chunks) > 3
    assert all(chunk.kind == "table" and chunk.text.startswith("| a | b |\n|---|---|\n") for chunk in chunks)
    assert sum(chunk.text.count("x" * 50) for chunk in chunks) == 300
