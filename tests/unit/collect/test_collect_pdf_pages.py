"""What becomes of pages that cannot be read as they are."""

from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from luthier.collect.readers.pdf import leaf as pdf_leaf
from luthier.collect.readers.pdf.hyphens import Hyphens
from luthier.collect.reading import Source
from luthier.collect.registry import document_reader
from luthier.records import Document

LINES = ("The pump moves water through the main filter.", "Check every valve before the motor starts.")


def read(path: Path) -> Document:
    (document,) = document_reader("pdf")(Source(path=path, name=path.name))
    return document


def canvas_of(path: Path) -> Canvas:
    return Canvas(str(path), pagesize=(595, 842), invariant=1)


def put(canvas: Canvas, lines: tuple[str, ...], *, mode: int = 0) -> None:
    pen = canvas.beginText(72, 700)
    pen.setFont("Helvetica", 10)
    pen.setTextRenderMode(mode)
    for line in lines:
        pen.textLine(line)
    canvas.drawText(pen)


def scan(canvas: Canvas) -> None:
    canvas.drawImage(ImageReader(Image.new("L", (60, 84), 200)), 0, 0, 595, 842)


def test_a_scanned_page_is_listed_and_not_read(tmp_path: Path) -> None:
    canvas = canvas_of(tmp_path / "a.pdf")
    put(canvas, LINES)
    canvas.showPage()
    scan(canvas)
    put(canvas, ("stamp 7",))
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert [page.state for page in document.pages] == ["read", "scanned"]
    assert (document.pages[1].lost, document.pages[1].coverage) == (("stamp", "7"), 0.0)
    assert "stamp" not in document.text


def test_a_file_of_scans_has_no_text(tmp_path: Path) -> None:
    canvas = canvas_of(tmp_path / "a.pdf")
    scan(canvas)
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert (document.text, [page.state for page in document.pages]) == ("", ["scanned"])


def test_text_that_was_recognised_in_a_scan_is_read_and_told(tmp_path: Path) -> None:
    canvas = canvas_of(tmp_path / "a.pdf")
    scan(canvas)
    put(canvas, LINES, mode=3)
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert document.text == " ".join(LINES)
    assert document.meta == {"recognised text": "1 pages"}


def test_a_page_that_lost_words_is_kept_as_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = canvas_of(tmp_path / "a.pdf")
    put(canvas, LINES)
    canvas.save()
    order = pdf_leaf.reading_order
    monkeypatch.setattr(pdf_leaf, "reading_order", lambda segments, obstacles: order(segments[:1], obstacles=obstacles))
    document = read(tmp_path / "a.pdf")
    (page,) = document.pages
    assert (page.state, page.coverage) == ("plain", pytest.approx(8 / 15))
    assert set(page.lost) == set(LINES[1].rstrip(".").split())
    assert document.text == "\n".join(LINES)


def test_a_page_of_unmapped_glyphs_has_a_bad_text_layer(tmp_path: Path) -> None:
    canvas = canvas_of(tmp_path / "a.pdf")
    put(canvas, LINES)
    canvas.save()
    content = (tmp_path / "a.pdf").read_bytes()
    assert read(tmp_path / "a.pdf").pages[0].state == "read"
    private = b"/Encoding << /Differences [ 97 /uniE001 /uniE002 /uniE003 /uniE004 /uniE005 ] /Type /Encoding >>"
    (tmp_path / "b.pdf").write_bytes(content.replace(b"/Encoding /WinAnsiEncoding", private, 1))
    document = read(tmp_path / "b.pdf")
    assert [page.state for page in document.pages] == ["bad text layer"]
    assert document.text == ""


def test_a_rotated_page_is_read_upright(tmp_path: Path) -> None:
    canvas = canvas_of(tmp_path / "a.pdf")
    canvas.rotate(90)
    canvas.translate(0, -595)
    for number, line in enumerate(LINES):
        canvas.drawString(72, 500 - 14 * number, line)
    canvas.save()
    assert read(tmp_path / "a.pdf").text == " ".join(LINES)


def test_hyphens_are_settled_by_the_words_of_the_document() -> None:
    hyphens = Hyphens(["The maintenance of a re-entry is up to date.", "main\x02tenance"])
    assert hyphens.settle("main\x02tenance") == "maintenance"
    assert hyphens.settle("re\x02entry") == "re-entry"
    assert hyphens.settle("pre\x02and post-war") == "pre- and post-war"
    assert hyphens.settle("2019\x022020, Well\x02Known") == "2019-2020, Well-Known"
    assert hyphens.settle("left\x02") == "left-"
