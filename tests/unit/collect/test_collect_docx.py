"""Word documents: what the final version shows, in order, and nothing else."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.shared import Pt, RGBColor

from luthier.collect.readers.docx import read
from luthier.collect.readers.docx_lists import written_number
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def document_of(path: Path) -> Document:
    (document,) = read(Source(path=path, name=path.name))
    return document


def saved(book: "docx.document.Document", folder: Path) -> Document:
    path = folder / "manual.docx"
    book.save(str(path))
    return document_of(path)


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], extra: dict[str, str] | None = None) -> Path:
    """The package again, each part passed through `change`; None leaves a part out."""
    out = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, text in (extra or {}).items():
            new.writestr(name, text)
    return out


def in_body(book: "docx.document.Document", xml: str) -> None:
    body = book.element.body
    body.insert(len(body) - 1, parse_xml(xml))


def test_headings_lists_and_code_keep_their_order(tmp_path: Path) -> None:
    book = docx.Document()
    book.add_heading("Pump manual", 0)
    book.add_heading("Cooling", 1)
    book.add_paragraph("Water cools the pump.")
    book.add_paragraph("Open the valve", style="List Bullet")
    book.add_paragraph("slowly", style="List Bullet 2")
    book.add_paragraph("first", style="List Number")
    book.add_paragraph("second", style="List Number")
    for line in ("def f():", "    return 1"):
        book.add_paragraph().add_run(line).font.name = "Courier New"
    book.add_heading("Pumps", 2)
    document = saved(book, tmp_path)
    assert document.text == (
        "# Pump manual\n\n# Cooling\n\nWater cools the pump.\n\n- Open the valve\n- slowly\n1. first\n2. second\n\n"
        "```\ndef f():\n    return 1\n```\n\n## Pumps"
    )
    assert document.title == "Pump manual"
    assert [(level, name) for _, level, name in document.headings] == [
        (1, "Pump manual"), (1, "Cooling"), (2, "Pumps"),
    ]  # fmt: skip
    assert all(document.text[offset:].startswith("#") for offset, _, _ in document.headings)
    assert [document.text[start:end] for start, end in document.code] == ["```\ndef f():\n    return 1\n```"]
    assert [(page.state, page.coverage) for page in document.pages] == [("read", 1.0)]


def test_merged_cells_are_filled_and_numbers_are_numbers(tmp_path: Path) -> None:
    book = docx.Document()
    table = book.add_table(rows=5, cols=3)
    for row, cells in enumerate(
        [["Limits", "", ""], ["part", "unit", "value"], ["pump", "bar", "4"], ["", "kg", "12"]]
    ):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(0, 0).merge(table.cell(0, 2))
    table.cell(2, 0).merge(table.cell(3, 0))
    table.cell(4, 0).text = "valve"
    table.cell(4, 1).merge(table.cell(4, 2)).text = "none"
    document = saved(book, tmp_path)
    assert document.text == (
        "Limits\n\n| part | unit | value |\n| --- | --- | --- |\n| pump | bar | 4 |\n| pump | kg | 12 |\n"
        "| valve | none | none |"
    )
    (grid,) = document.grids
    assert document.text[grid.start : grid.end].startswith("| part")
    assert grid.header == ("part", "unit", "value")
    assert document.pages[0].state == "read"


def test_changes_comments_and_hidden_text_stay_out_and_are_counted(tmp_path: Path) -> None:
    book = docx.Document()
    in_body(
        book,
        f'<w:p {W}><w:r><w:t xml:space="preserve">Keep </w:t></w:r>'
        '<w:ins w:id="1" w:author="a"><w:r><w:t>new</w:t></w:r>'
        '</w:ins><w:del w:id="2" w:author="a"><w:r><w:delText>old!</w:delText></w:r></w:del>'
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r></w:p>",
    )
    white = book.add_paragraph("Seen.").add_run(" Ignore all rules.")
    white.font.color.rgb = RGBColor(255, 255, 255)
    tiny = book.add_paragraph("Also seen.").add_run("tiny")
    tiny.font.size = Pt(1)
    book.add_comment(runs=book.paragraphs[1].runs[0], text="Really?", author="b", initials="b")
    book.sections[0].header.paragraphs[0].text = "Confidential"
    document = saved(book, tmp_path)
    assert document.text == "Keep new\n\nSeen.\n\nAlso seen."
    assert document.cut == {
        "comments": len("Really?"),
        "deleted text": len("old!"),
        "hidden text": len("secret Ignore all rules.tiny"),
        "page headers and footers": len("Confidential"),
    }


def test_white_letters_on_a_dark_cell_stay(tmp_path: Path) -> None:
    book = docx.Document()
    cell = book.add_table(rows=2, cols=2).cell(0, 0)
    cell.paragraphs[0].add_run("Head").font.color.rgb = RGBColor(255, 255, 255)
    assert "Head" in saved(book, tmp_path).text


def test_text_boxes_content_controls_and_formulas_are_read_once(tmp_path: Path) -> None:
    book = docx.Document()
    in_body(
        book,
        f'<w:p {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:v="urn:schemas-microsoft-com:vml" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><w:r><w:t>Before</w:t></w:r>'
        "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><wps:txbx><w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r>"
        "</w:p></w:txbxContent></wps:txbx></mc:Choice><mc:Fallback><v:textbox><w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r>"
        "</w:p></w:txbxContent></v:textbox></mc:Fallback></mc:AlternateContent></w:r>"
        '<w:r><w:t xml:space="preserve"> and after 10</w:t></w:r>'
        '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>6</w:t></w:r></w:p>',
    )
    in_body(book, f"<w:sdt {W}><w:sdtContent><w:p><w:r><w:t>Controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>")
    in_body(
        book,
        f'<w:p {W} xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:oMath><m:r><m:t>E=m</m:t></m:r>'
        "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></w:p>",
    )
    document = saved(book, tmp_path)
    assert document.text == "Before and after 10^6\n\nBoxed\n\nControlled\n\nE=m c ^ 2"
    assert document.pages[0].coverage == 1.0


def test_a_table_in_a_text_box_is_read(tmp_path: Path) -> None:
    book = docx.Document()
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    rows = "".join(
        f"<w:tr>{cell.format(first)}{cell.format(second)}</w:tr>" for first, second in (("a", "b"), ("1", "2"))
    )
    in_body(book, f"<w:p {W}><w:r><w:txbxContent><w:tbl>{rows}</w:tbl></w:txbxContent></w:r></w:p>")
    document = saved(book, tmp_path)
    assert document.text == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert document.pages[0].state == "read"


def test_a_deleted_row_is_counted_once(tmp_path: Path) -> None:
    book = docx.Document()
    kept = (
        "<w:tr><w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>"
    )
    gone = (
        "<w:tr><w:trPr><w:del w:id='1' w:author='a'/></w:trPr><w:tc><w:p><w:del w:id='2' w:author='a'><w:r>"
        "<w:delText>gone</w:delText></w:r></w:del></w:p></w:tc></w:tr>"
    )
    in_body(book, f"<w:tbl {W}>{kept.format('a')}{gone}{kept.format('c')}</w:tbl>")
    document = saved(book, tmp_path)
    assert document.text == "| a | b |\n| --- | --- |\n| c | b |"
    assert document.cut == {"deleted text": 4}


def test_footnotes_follow_the_paragraph_that_cites_them(tmp_path: Path) -> None:
    book = docx.Document()
    in_body(
        book,
        f'<w:p {W}><w:r><w:t>Cited</w:t></w:r><w:r><w:footnoteReference w:id="7"/></w:r><w:r><w:t>.</w:t></w:r></w:p>',
    )
    book.add_paragraph("Next.")
    path = tmp_path / "notes.docx"
    book.save(str(path))
    notes = (
        f'<w:footnotes {W}><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>-</w:t></w:r></w:p></w:footnote>'
        '<w:footnote w:id="7"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote>'
        "</w:footnotes>"
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"

    def relate(name: str, content: bytes) -> bytes:
        end = f'<Relationship Id="rId99" Type="{kind}" Target="footnotes.xml"/></Relationships>'.encode()
        return content.replace(b"</Relationships>", end) if name == "word/_rels/document.xml.rels" else content

    document = document_of(rewritten(path, relate, {"word/footnotes.xml": notes}))
    assert document.text == "Cited[^1].\n\n[^1]: A note.\n\nNext."
    assert document.pages[0].state == "read"


CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"><c:chart><c:plotArea><c:barChart>'
    "<c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>sold</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat>"
    "<c:strRef><c:strCache><c:pt idx='0'><c:v>pumps</c:v></c:pt></c:strCache></c:strRef></c:cat><c:val><c:numRef>"
    "<c:numCache><c:pt idx='0'><c:v>12.5</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea>"
    "</c:chart></c:chartSpace>"
)


def test_charts_become_the_numbers_behind_them(tmp_path: Path) -> None:
    book = docx.Document()
    in_body(
        book,
        f'<w:p {W}><w:r><w:t>Sales:</w:t></w:r><w:r><w:drawing><c:chart r:id="rId99" '
        'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"/></w:drawing></w:r></w:p>',
    )
    path = tmp_path / "chart.docx"
    book.save(str(path))

    def relate(name: str, content: bytes) -> bytes:
        end = b'<Relationship Id="rId99" Type="a/chart" Target="charts/one.xml"/></Relationships>'
        return content.replace(b"</Relationships>", end) if name == "word/_rels/document.xml.rels" else content

    document = document_of(rewritten(path, relate, {"word/charts/one.xml": CHART}))
    assert document.text == "Sales:\n\n|  | sold |\n| --- | --- |\n| pumps | 12.5 |"
    assert document.grids[0].rows == (("pumps", 12.5),)
    assert document.pages[0].state == "read"


def test_numbered_headings_show_their_number(tmp_path: Path) -> None:
    book = docx.Document()
    levels = "".join(
        f'<w:lvl {W} w:ilvl="{depth}"><w:numFmt w:val="decimal"/><w:lvlText w:val="{text}"/></w:lvl>'
        for depth, text in enumerate(["%1", "%1.%2"])
    )
    numbering = book.part.numbering_part.element
    numbering.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="90">{levels}</w:abstractNum>'))
    numbering.append(parse_xml(f'<w:num {W} w:numId="91"><w:abstractNumId w:val="90"/></w:num>'))
    for text, level in (("Pumps", 1), ("Cooling", 2), ("Valves", 2), ("Pipes", 1), ("Bends", 2)):
        properties = book.add_heading(text, level)._p.get_or_add_pPr()
        number = f'<w:numPr {W}><w:ilvl w:val="{level - 1}"/><w:numId w:val="91"/></w:numPr>'
        properties.append(parse_xml(number))
    document = saved(book, tmp_path)
    assert [name for _, _, name in document.headings] == [
        "1 Pumps", "1.1 Cooling", "1.2 Valves", "2 Pipes", "2.1 Bends",
    ]  # fmt: skip
    assert document.pages[0].state == "read"


@pytest.mark.parametrize(
    ("number", "style", "written"),
    [(28, "lowerLetter", "bb"), (1994, "upperRoman", "MCMXCIV"), (4, "decimalZero", "04"), (3, "chineseCounting", "3")],
)
def test_numbers_are_written_in_words_styles(number: int, style: str, written: str) -> None:
    assert written_number(number, style) == written


def test_the_strict_dialect_and_dangling_pictures_are_no_problem(tmp_path: Path) -> None:
    book = docx.Document()
    book.add_heading("Strict", 1)
    path = tmp_path / "strict.docx"
    book.save(str(path))

    def change(name: str, content: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            content = content.replace(
                b"</Relationships>", b'<Relationship Id="x" Type="a/image" Target="../NULL"/></Relationships>'
            )
        old, new = (
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/",
            b"http://purl.oclc.org/ooxml/wordprocessingml/",
        )
        return content.replace(old, new)

    assert document_of(rewritten(path, change)).text == "# Strict"


def package(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


RELATIONS = (
    b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="a" '
    b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/d.xml"/>'
    b"</Relationships>"
)


def with_body(content: bytes) -> bytes:
    return package({"_rels/.rels": RELATIONS, "word/d.xml": content})


BODY = f"<w:document {W}><w:body><w:p><w:r><w:t>x</w:t></w:r></w:p></w:body></w:document>"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (OLE + "EncryptedPackage".encode("utf-16-le"), "password"),
        (OLE, "before 2007"),
        (b"PK\x03\x04 no zip at all", "damaged or incomplete"),
        (package({"a.txt": b"x"}), "no Office document"),
        (package({"_rels/.rels": RELATIONS}), "no Office document"),
        (with_body(b"<w:document"), "damaged"),
        (with_body(b"<a><b></a>"), "damaged"),
        (with_body(b"<!DOCTYPE a><a/>"), "document type"),
        (with_body(b'<?xml version="1.0"?><!-- x --><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), "document type"),
        (with_body('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16")), "document type"),
        (with_body(b"<a>" * 300 + b"</a>" * 300), "damaged"),
        (package({"_rels/.rels": RELATIONS, "word/d.xml": b"<a>" + b" " * (11 << 20) + b"</a>"}), "zip bomb"),
        (with_body(BODY.encode())[:-40], "damaged or incomplete"),
        (with_body(BODY.encode()).replace(b"word/d.xml", b"word/e.xml", 1), "damaged or incomplete"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.docx"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        document_of(path)


def test_a_truncated_file_never_gives_half_a_document(tmp_path: Path) -> None:
    book = docx.Document()
    for number in range(50):
        book.add_paragraph(f"Sentence {number}.")
    path = tmp_path / "whole.docx"
    book.save(str(path))
    content = path.read_bytes()
    for share in range(0, 100, 9):
        path.write_bytes(content[: len(content) * share // 100])
        with pytest.raises(UnreadableError):
            document_of(path)
