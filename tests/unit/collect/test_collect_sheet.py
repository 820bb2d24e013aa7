"""Workbooks as documents: a heading per sheet, a table per region, every row with its cell."""

import datetime
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlwt
from hypothesis import given
from hypothesis import strategies as st

from luthier.collect.readers.pipes import Piece
from luthier.collect.readers.regions import Box, cell_name, find_regions
from luthier.collect.readers.sheet import read, read_document
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document, Row


def document_of(path: Path) -> Document:
    (document,) = read_document(Source(path=path, name=path.name))
    return document


def places(document: Document) -> dict[str, str]:
    return {name: document.text[offset:].split("\n")[0] for offset, name in document.anchors}


def test_regions_become_tables_that_know_their_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Prices"
    for cell, value in {
        "B2": "Spring list", "B3": "part", "C3": "price", "D3": "from",
        "B4": "pump", "C4": 0.1 + 0.2, "D4": datetime.date(2024, 5, 6),
        "B5": "valve", "C5": 12, "D5": datetime.datetime(2024, 5, 6, 7, 8),
        "F3": "code", "G3": "ok", "F4": "007", "G4": True,
        "B8": "Prices without tax.", "B9": "Ask for more.",
    }.items():  # fmt: skip
        sheet[cell] = value
    hidden = book.create_sheet("Secret")
    hidden["A1"] = "do not read"
    hidden.sheet_state = "hidden"
    book.create_sheet("Empty")
    book.create_sheet("Notes")["A1"] = "only this"
    path = tmp_path / "list.xlsx"
    book.save(path)
    document = document_of(path)
    assert document.text == (
        "# Prices\n\nSpring list\n\n| part | price | from |\n| --- | --- | --- |\n| pump | 0.3 | 2024-05-06 |\n"
        "| valve | 12 | 2024-05-06T07:08:00 |\n\n| code | ok |\n| --- | --- |\n| 007 | true |\n\n"
        "Prices without tax.\nAsk for more.\n\n# Notes\n\nonly this"
    )
    assert document.title == "list"
    assert [name for _, _, name in document.headings] == ["Prices", "Notes"]
    assert places(document) == {
        "Prices!A1": "# Prices",
        "Prices!B2": "Spring list",
        "Prices!B3": "| part | price | from |",
        "Prices!B4": "| pump | 0.3 | 2024-05-06 |",
        "Prices!B5": "| valve | 12 | 2024-05-06T07:08:00 |",
        "Prices!F3": "| code | ok |",
        "Prices!F4": "| 007 | true |",
        "Prices!B8": "Prices without tax.",
        "Prices!B9": "Ask for more.",
        "Notes!A1": "only this",
    } | {"Notes!A1": places(document)["Notes!A1"]}
    assert [offset for offset, _ in document.anchors] == sorted(offset for offset, _ in document.anchors)
    assert [(grid.at, grid.header, grid.rows) for grid in document.grids] == [
        ("Prices!B3", ("part", "price", "from"), (("pump", 0.3, "2024-05-06"), ("valve", 12, "2024-05-06T07:08:00"))),
        ("Prices!F3", ("code", "ok"), (("007", True),)),
    ]
    assert [(page.place, page.state) for page in document.pages] == [("sheet Prices", "read"), ("sheet Notes", "read")]
    assert document.cut == {"hidden sheets": len("donotread")}


def test_merged_cells_are_filled_and_merged_titles_are_joined(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Report", None, None], ["part", "2024", None], [None, "low", "high"], ["pump", 1, 2], [None, 3, 4]):
        sheet.append(row)
    for area in ("A1:C1", "A2:A3", "B2:C2", "A4:A5"):
        sheet.merge_cells(area)
    path = tmp_path / "merged.xlsx"
    book.save(path)
    document = document_of(path)
    assert document.text == (
        "# Sheet\n\nReport\n\n| part | 2024 low | 2024 high |\n| --- | --- | --- |\n| pump | 1 | 2 |\n| pump | 3 | 4 |"
    )
    assert document.pages[0].state == "read"


def test_numbers_alone_are_no_header(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in ([1, 2], [3, 4]):
        book.active.append(row)
    path = tmp_path / "numbers.xlsx"
    book.save(path)
    assert document_of(path).grids[0].rows == ((1, 2), (3, 4))


def test_old_excel_files_are_read_both_ways(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("One")
    sheet.write_merge(0, 0, 0, 1, "Limits")
    for row, cells in enumerate((["part", "bar"], ["pump", 2.5]), start=1):
        for column, value in enumerate(cells):
            sheet.write(row, column, value)
    path = tmp_path / "old.xls"
    book.save(str(path))
    assert document_of(path).text == "# One\n\nLimits\n\n| part | bar |\n| --- | --- |\n| pump | 2.5 |"
    rows = list(read(Source(path=path, name="old.xls")))
    assert [row.at for row in rows] == ["old.xls!One:2", "old.xls!One:3"]


NAMESPACE = "urn:oasis:names:tc:opendocument:xmlns"
CELL = "<table:table-cell office:value-type='string'><text:p>{}</text:p></table:table-cell>"
ODS = (
    "<?xml version='1.0' encoding='UTF-8'?>"
    f"<office:document-content xmlns:office='{NAMESPACE}:office:1.0' xmlns:table='{NAMESPACE}:table:1.0' "
    f"xmlns:text='{NAMESPACE}:text:1.0'><office:body><office:spreadsheet><table:table table:name='S'><table:table-row>"
    f"{CELL.format('part')}{CELL.format('bar')}</table:table-row><table:table-row>{CELL.format('pump')}"
    "<table:table-cell office:value-type='float' office:value='2.5'><text:p>2,50</text:p></table:table-cell>"
    "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
)


def ods(folder: Path, content: str) -> Path:
    path = folder / "open.ods"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        package.writestr("content.xml", content)
        package.writestr("META-INF/manifest.xml", f"<m:manifest xmlns:m='{NAMESPACE}:manifest:1.0'/>")
    return path


def test_open_document_sheets_are_read_both_ways(tmp_path: Path) -> None:
    path = ods(tmp_path, ODS)
    assert document_of(path).text == "# S\n\n| part | bar |\n| --- | --- |\n| pump | 2.5 |"
    (row,) = read(Source(path=path, name="open.ods"))
    assert isinstance(row, Row)
    assert row.values == {"part": "pump", "bar": 2.5}


def test_damaged_and_sealed_workbooks_say_why(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.save(path)
    whole = path.read_bytes()
    for share in range(0, 100, 12):
        path.write_bytes(whole[: len(whole) * share // 100])
        with pytest.raises(UnreadableError, match="damaged"):
            document_of(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") * 40)
    with pytest.raises(UnreadableError, match="password"):
        list(read(Source(path=path, name="book.xlsx")))
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2_000)
    with pytest.raises(UnreadableError, match="damaged workbook"):
        document_of(path)
    old = xlwt.Workbook()
    old.add_sheet("S").write(0, 0, "a")
    old.save(str(path))
    path.write_bytes(path.read_bytes()[:-1_900])
    with pytest.raises(UnreadableError, match="damaged workbook"):
        document_of(path)
    entity = ODS.replace("?>", "?><!DOCTYPE a [<!ENTITY b 'c'>]>", 1)
    with pytest.raises(UnreadableError, match="document type"):
        document_of(ods(tmp_path, entity))


def test_cells_have_the_names_that_people_know() -> None:
    assert [cell_name(0, 0), cell_name(6, 25), cell_name(8, 26), cell_name(0, 701), cell_name(0, 702)] == [
        "A1", "Z7", "AA9", "ZZ1", "AAA1",
    ]  # fmt: skip


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), max_size=7))
def test_every_filled_cell_lies_in_exactly_one_region(filled: list[list[bool]]) -> None:
    grid = [[Piece("x" if cell else "") for cell in row] for row in filled]
    boxes = list(find_regions(grid))
    for row, cells in enumerate(filled):
        for column, is_filled in enumerate(cells):
            count = sum(holds(box, row, column) for box in boxes)
            assert count == 1 if is_filled else count <= 1


def holds(box: Box, row: int, column: int) -> bool:
    return box.top <= row < box.bottom and box.left <= column < box.right
