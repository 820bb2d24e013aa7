"""PDF files made here come back in reading order, with headings, tables and code, and every loss is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from luthier.collect.readers.pdf import document as pdf_document
from luthier.collect.reading import Source, UnreadableError
from luthier.collect.registry import document_reader
from luthier.records import Document

PROSE = (
    "The pump moves water through the main filter and back.",
    "Check every valve before the motor is started again.",
    "Report a loose cable at once to the nearest office.",
    "A worn seal must be replaced within three days.",
)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Callable[[Canvas], None]], Path]:
    def write(draw: Callable[[Canvas], None]) -> Path:
        path = tmp_path / "made.pdf"
        canvas = Canvas(str(path), pagesize=(595, 842), invariant=1)
        draw(canvas)
        canvas.save()
        return path

    return write


def read(path: Path) -> Document:
    (document,) = document_reader("pdf")(Source(path=path, name=path.name))
    return document


def put(canvas: Canvas, lines: tuple[str, ...], *, x: float = 72, y: float = 700, step: float = 12) -> None:
    canvas.setFont("Helvetica", 10)
    for number, line in enumerate(lines):
        canvas.drawString(x, y - number * step, line)


def test_headings_come_from_sizes_and_weights_and_pages_are_anchors(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        for chapter in ("1 Pumps", "2 Valves"):
            canvas.setFont("Helvetica-Bold", 16)
            canvas.drawString(72, 740, chapter)
            put(canvas, PROSE, y=716)
            canvas.setFont("Helvetica-Bold", 10)
            canvas.drawString(72, 640, f"{chapter[0]}.1 Care")
            put(canvas, PROSE, y=624)
            canvas.showPage()

    document = read(make(draw))
    assert [(level, title) for _, level, title in document.headings] == [
        (1, "1 Pumps"),
        (2, "1.1 Care"),
        (1, "2 Valves"),
        (2, "2.1 Care"),
    ]
    assert all(document.text[offset:].startswith("#" * level) for offset, level, _ in document.headings)
    assert [place for _, place in document.anchors] == ["page 1", "page 2"]
    assert document.text[document.anchors[1][0] :].startswith("# 2 Valves")
    assert [(page.place, page.state, page.coverage) for page in document.pages] == [
        ("page 1", "read", 1.0),
        ("page 2", "read", 1.0),
    ]


def test_bookmarks_name_headings_that_look_like_text(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        put(canvas, ("Storage",), y=740)
        canvas.bookmarkPage("s")
        canvas.addOutlineEntry("3 Storage", "s", 0)
        put(canvas, PROSE)

    assert [(level, title) for _, level, title in read(make(draw)).headings] == [(1, "Storage")]


def test_columns_are_read_one_after_the_other(make: Callable[..., Path]) -> None:
    left, right = PROSE * 2, tuple(reversed(PROSE)) * 2

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            # Line by line across the columns, as some programs write.
            canvas.drawString(40, 700 - 12 * number, one)
            canvas.drawString(320, 700 - 12 * number, other)

    document = read(make(draw))
    assert "".join(document.text.split()) == "".join("".join([*left, *right]).split())


def test_hyphens_go_only_where_the_word_stands_elsewhere(make: Callable[..., Path]) -> None:
    lines = ("The filter needs mainten-", "ance by a well-", "known and quali-", "fied person. Plan maintenance early.")
    document = read(make(lambda canvas: put(canvas, lines)))
    assert document.text == (
        "The filter needs maintenance by a well-known and quali-fied person. Plan maintenance early."
    )


def test_a_ruled_table_has_typed_cells(make: Callable[..., Path]) -> None:
    cells = (("Part", "Limit bar", "Note"), ("Pump", "12", "steel | new"), ("Valve", "9.5", ""))

    def draw(canvas: Canvas) -> None:
        put(canvas, PROSE[:2])
        for row, line in enumerate(cells):
            for column, cell in enumerate(line):
                canvas.drawString(76 + 100 * column, 636 - 20 * row, cell)
        canvas.grid([72, 172, 272, 372], [650, 630, 610, 590])
        put(canvas, PROSE[2:], y=570)

    document = read(make(draw))
    (grid,) = document.grids
    assert (grid.at, grid.header) == ("page 1 table 1", ("Part", "Limit bar", "Note"))
    assert grid.rows == (("Pump", 12, "steel | new"), ("Valve", 9.5, None))
    assert document.text[grid.start : grid.end].splitlines()[2] == r"| Pump | 12 | steel \| new |"
    assert document.text.index(PROSE[1]) < grid.start < document.text.index(PROSE[2])


def test_an_aligned_table_needs_no_rulings(make: Callable[..., Path]) -> None:
    rows = (("Part", "Weight", "Price"), ("Pump", "12", "80"), ("Motor", "7", "120"), ("Valve", "3", "15"))

    def draw(canvas: Canvas) -> None:
        for row, line in enumerate(rows):
            for column, cell in enumerate(line):
                put(canvas, (cell,), x=72 + 90 * column, y=700 - 16 * row)

    (grid,) = read(make(draw)).grids
    assert (grid.header, grid.rows) == (rows[0], (("Pump", 12, 80), ("Motor", 7, 120), ("Valve", 3, 15)))


def test_running_headers_go_and_are_counted(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(1, 5):
            put(canvas, ("Pump handbook",), y=810)
            put(canvas, PROSE)
            put(canvas, (f"Page {number} of 4",), x=280, y=30)
            canvas.showPage()

    document = read(make(draw))
    assert "handbook" not in document.text
    assert "of 4" not in document.text
    assert document.cut == {"running headers and footers": 4 * len("Pump handbook" + "Page 1 of 4")}
    assert {page.state for page in document.pages} == {"read"}


def test_the_first_lines_of_pages_are_no_header(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(4):
            put(canvas, ("Total of all parts", f"Part {number} is new.", *PROSE), y=780)
            canvas.showPage()

    assert read(make(draw)).text.count("Total of all parts") == 4


def test_hidden_text_is_cut_and_counted(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        put(canvas, PROSE)
        canvas.setFont("Helvetica", 1)
        canvas.drawString(72, 600, "tiny order")
        canvas.setFont("Helvetica", 10)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 580, "white order")
        canvas.drawString(700, 560, "outside order")
        canvas.setFillColorRGB(0, 0, 0.4)
        canvas.rect(70, 500, 200, 20, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 506, "White on blue is seen.")
        pen = canvas.beginText(72, 540)
        pen.setTextRenderMode(3)
        pen.textLine("invisible order")
        canvas.drawText(pen)

    document = read(make(draw))
    assert "order" not in document.text
    assert "White on blue is seen." in document.text
    assert document.cut == {"hidden text": len("tiny order white order outside order invisible order")}
    assert document.pages[0].state == "read"


def test_code_keeps_its_lines_and_indents(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        put(canvas, PROSE)
        canvas.setFont("Courier", 9)
        for number, line in enumerate(("if pump:", "    start()", "    report()")):
            canvas.drawString(72 + 5.4 * (len(line) - len(line.lstrip())), 630 - 11 * number, line.strip())
        put(canvas, PROSE, y=590)

    document = read(make(draw))
    ((start, end),) = document.code
    assert document.text[start:end] == "```\nif pump:\n    start()\n    report()\n```"


def test_lists_and_contents_keep_their_lines(make: Callable[..., Path]) -> None:
    lines = ("• Close the valve", "• Open the drain", "Pumps ........... 3", "Valves ........... 12")
    assert read(make(lambda canvas: put(canvas, lines, step=14))).text == (
        "- Close the valve\n- Open the drain\n\nPumps ... 3\nValves ... 12"
    )


def test_a_paragraph_goes_on_over_the_page(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        put(canvas, ("The pump moves water through the", "main filter and then main-"), y=90)
        canvas.showPage()
        put(canvas, ("tains the pressure. We maintains it.",), y=760)

    document = read(make(draw))
    assert document.text == (
        "The pump moves water through the main filter and then maintains the pressure. We maintains it."
    )
    assert document.text[document.anchors[1][0] :].startswith("tains")


def test_values_of_form_fields_are_text(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        put(canvas, PROSE)
        canvas.acroForm.textfield(name="city", value="Rotterdam", x=72, y=600, width=120, height=20)

    assert "Rotterdam" in read(make(draw)).text


def test_pages_beyond_the_limit_are_told(make: Callable[..., Path]) -> None:
    def draw(canvas: Canvas) -> None:
        for _ in range(3):
            put(canvas, PROSE)
            canvas.showPage()

    path = make(draw)
    (document,) = pdf_document.read(Source(path=path, name=path.name), most_pages=2)
    assert (len(document.pages), document.meta["partial"]) == (2, "2 of 3 pages")


@pytest.mark.parametrize("kept", [0, 100, 0.3, 0.6, 0.9])
def test_a_damaged_file_is_unreadable_or_every_page_is_told(make: Callable[..., Path], kept: float) -> None:
    path = make(lambda canvas: put(canvas, PROSE))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    try:
        pages = read(path).pages
    except UnreadableError as error:
        problem = str(error)
    else:
        problem = f"damaged PDF file: {pages[0].state}"
    assert problem.startswith("damaged PDF file: ")


def test_a_locked_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "locked.pdf"
    canvas = Canvas(str(path), encrypt=StandardEncryption("secret"))
    put(canvas, PROSE)
    canvas.save()
    with pytest.raises(UnreadableError, match="needs a password; save it again without one"):
        read(path)


def test_the_same_file_gives_the_same_document(make: Callable[..., Path]) -> None:
    path = make(lambda canvas: put(canvas, PROSE))
    assert read(path) == read(path)
