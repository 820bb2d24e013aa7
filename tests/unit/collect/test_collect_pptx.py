"""Presentations: slides under their titles, shapes in reading order, tables, charts and notes."""

import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation
from pptx.slide import Slide
from pptx.util import Inches, Pt

from luthier.collect.readers.pptx import read
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

TITLE_AND_CONTENT, TITLE_ONLY, BLANK = 1, 5, 6


def document_of(path: Path) -> Document:
    (document,) = read(Source(path=path, name=path.name))
    return document


def saved(talk: Presentation, folder: Path) -> Document:
    path = folder / "talk.pptx"
    talk.save(str(path))
    return document_of(path)


def add_slide(talk: Presentation, layout: int, title: str = "") -> Slide:
    slide = talk.slides.add_slide(talk.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def add_box(slide: Slide, text: str, *, left: float, top: float) -> object:
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
    box.text_frame.text = text
    return box


def test_slides_stand_under_their_titles_with_lists_and_notes(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    slide = add_slide(talk, TITLE_AND_CONTENT, "Cooling")
    frame = slide.placeholders[1].text_frame
    frame.text = "Open the valve"
    inner = frame.add_paragraph()
    inner.text, inner.level = "slowly", 1
    frame.add_paragraph().text = "Close it"
    slide.notes_slide.notes_text_frame.text = "Say hello.\nThen begin."
    add_box(add_slide(talk, BLANK), "No title here", left=1, top=1)
    document = saved(talk, tmp_path)
    assert document.text == (
        "# Cooling\n\n- Open the valve\n  - slowly\n- Close it\n\n## Notes\n\nSay hello.\n\nThen begin.\n\n"
        "# Slide 2\n\nNo title here"
    )
    assert document.title == "Cooling"
    assert [(document.text[offset:].split("\n")[0], place) for offset, place in document.anchors] == [
        ("# Cooling", "slide 1"), ("# Slide 2", "slide 2"),
    ]  # fmt: skip
    assert [(level, name) for _, level, name in document.headings] == [(1, "Cooling"), (2, "Notes"), (1, "Slide 2")]
    assert [(page.place, page.state, page.coverage) for page in document.pages] == [
        ("slide 1", "read", 1.0), ("slide 2", "read", 1.0),
    ]  # fmt: skip


def test_shapes_are_read_in_rows(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    slide = add_slide(talk, TITLE_ONLY, "Rows")
    for text, left, top in (("four", 5, 4), ("two", 5, 2.01), ("three", 1, 4.02), ("one", 1, 2)):
        add_box(slide, text, left=left, top=top)
    group = slide.shapes.add_group_shape()
    for text, left in (("six", 3), ("five", 1)):
        group.shapes.add_textbox(Inches(left), Inches(6), Inches(1), Inches(0.5)).text_frame.text = text
    assert saved(talk, tmp_path).text.split("\n\n") == ["# Rows", "one", "two", "three", "four", "five", "six"]


def test_tables_and_charts_become_grids(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    slide = add_slide(talk, TITLE_ONLY, "Numbers")
    table = slide.shapes.add_table(4, 3, Inches(1), Inches(2), Inches(5), Inches(2)).table
    for row, cells in enumerate([["part", "unit", "value"], ["pump", "bar", "4"], ["", "kg", "12"], ["all", "", "9"]]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(3, 0).merge(table.cell(3, 1))
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("sold", (1.5, 20.4))
    place = (Inches(1), Inches(5), Inches(4), Inches(2))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Sales"
    document = saved(talk, tmp_path)
    assert document.text == (
        "# Numbers\n\n| part | unit | value |\n| --- | --- | --- |\n| pump | bar | 4 |\n| pump | kg | 12 |\n"
        "| all | all | 9 |\n\nSales\n\n|  | sold |\n| --- | --- |\n| 2023 | 1.5 |\n| 2024 | 20.4 |"
    )
    assert [(grid.at, grid.header, grid.rows[-1]) for grid in document.grids] == [
        ("slide 1", ("part", "unit", "value"), ("all", "all", 9)),
        ("slide 1", ("", "sold"), (2024, 20.4)),
    ]
    assert document.pages[0].state == "read"


def test_what_nobody_sees_is_cut_and_counted(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    slide = add_slide(talk, TITLE_ONLY, "Seen")
    add_box(slide, "outside", left=30, top=1)
    hidden = add_box(slide, "hidden", left=1, top=1)
    hidden._element.nvSpPr.cNvPr.set("hidden", "1")
    tiny = add_box(slide, "", left=1, top=3).text_frame.paragraphs[0].add_run()
    tiny.text, tiny.font.size = "tiny", Pt(1)
    number = add_box(slide, "17", left=1, top=6)
    number._element.nvSpPr.nvPr.insert(
        0,
        number._element.makeelement(
            "{http://schemas.openxmlformats.org/presentationml/2006/main}ph", {"type": "sldNum"}
        ),
    )
    add_slide(talk, TITLE_ONLY, "Left out")._element.set("show", "0")
    add_slide(talk, TITLE_ONLY, "Last")
    document = saved(talk, tmp_path)
    assert document.text == "# Seen\n\n# Last"
    assert [place for _, place in document.anchors] == ["slide 1", "slide 3"]
    assert document.cut == {
        "hidden slides": len("Left out"),
        "hidden text": len("outsidehiddentiny"),
        "slide numbers, dates and footers": 2,
    }


def png() -> BytesIO:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return BytesIO(b"\x89PNG\r\n\x1a\n" + body)


def test_a_slide_that_is_a_picture_is_a_scan(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    slide = add_slide(talk, BLANK)
    slide.shapes.add_picture(png(), 0, 0, talk.slide_width, talk.slide_height)
    small = add_slide(talk, TITLE_ONLY, "A drawing of a pump")
    small.shapes.add_picture(png(), 0, 0, Inches(2), Inches(2))
    assert [page.state for page in saved(talk, tmp_path).pages] == ["scanned", "read"]


def test_powers_and_numbered_lists(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    slide = add_slide(talk, TITLE_ONLY, "Lists")
    frame = add_box(slide, "10", left=1, top=2).text_frame
    power = frame.paragraphs[0].add_run()
    power.text = "6"
    power.font._element.set("baseline", "30000")
    for text in ("first", "second"):
        paragraph = frame.add_paragraph()
        paragraph.text = text
        look = paragraph._p.get_or_add_pPr()
        look.append(
            look.makeelement(
                "{http://schemas.openxmlformats.org/drawingml/2006/main}buAutoNum", {"type": "alphaLcPeriod"}
            )
        )
    document = saved(talk, tmp_path)
    assert document.text == "# Lists\n\n10^6\n\na. first\nb. second"
    assert document.pages[0].state == "read"


def test_damaged_presentations_say_why(tmp_path: Path) -> None:
    talk = pptx.Presentation()
    add_slide(talk, TITLE_ONLY, "One")
    path = tmp_path / "talk.pptx"
    talk.save(str(path))
    whole = path.read_bytes()
    for share in range(0, 100, 13):
        path.write_bytes(whole[: len(whole) * share // 100])
        with pytest.raises(UnreadableError, match="damaged"):
            document_of(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") * 40)
    with pytest.raises(UnreadableError, match="password"):
        document_of(path)
    with zipfile.ZipFile(BytesIO(whole)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name != "ppt/slides/slide1.xml":
                new.writestr(name, old.read(name))
    with pytest.raises(UnreadableError, match="slide 1 is missing"):
        document_of(path)
