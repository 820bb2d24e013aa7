"""Workbooks (XLSX, XLS, ODS): values, not formulas; dates in ISO form.

As rows, every sheet is a table whose first filled row is the header. As a document, every sheet is a section.
"""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from luthier.collect.readers.draft import Draft, guarded
from luthier.collect.readers.packages import open_package, starts_ole
from luthier.collect.readers.pipes import BLANK, Piece, cell_text
from luthier.collect.readers.regions import find_regions, write_region
from luthier.collect.reading import Source, UnreadableError, column_names
from luthier.records import Cell, Document, Reject, Row

HIDDEN_SHEETS = "hidden sheets"


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of all sheets, in the workbook's order. Blank rows are no rows."""
    with _open(source) as book:
        sheets = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        for name in sheets:
            cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            yield from _rows(f"{source.name}!{name}", cells)


def read_document(source: Source) -> Iterator[Document]:
    """The workbook as one document: a heading per sheet, a table per region; hidden sheets are left out and counted."""
    whole, pages = Draft(), []
    with _open(source) as book:
        for sheet in book.sheets_metadata:
            if sheet.typ != SheetTypeEnum.WorkSheet:
                continue
            cells = book.get_sheet_by_name(sheet.name)
            grid, origin = _pieces(cells)
            reference = "\n".join(" ".join(piece.text for piece in row) for row in grid)
            if sheet.visible != SheetVisibleEnum.Visible:
                whole.cut[HIDDEN_SHEETS] += len("".join(reference.split()))
                continue
            if reference.strip():
                part, page = guarded(_write_sheet(cells, grid, origin), reference, place=f"sheet {sheet.name}")
                whole.append(part)
                pages.append(page)
    yield whole.document(source, kind="sheet", title=source.stem, pages=pages)


@contextmanager
def _open(source: Source) -> Iterator[CalamineWorkbook]:
    if not starts_ole(source.path):
        with open_package(source.path):
            pass
    try:
        with source.path.open("rb") as stream, CalamineWorkbook.from_filelike(stream) as book:
            yield book
    except PasswordError as error:
        raise UnreadableError("protected by a password; save it without one") from error
    except CalamineError as error:
        raise UnreadableError(f"damaged workbook: {error}") from error
    except BaseException as error:
        # The library's own mistakes on damaged files come as panics of its Rust code, which are no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise UnreadableError(f"damaged workbook: {error}") from error


def _rows(table: str, cells: list[list[Any]]) -> Iterator[Row | Reject]:
    filled = ((number, row) for number, row in enumerate(cells, start=1) if any(cell != "" for cell in row))
    header = next(filled, None)
    if header is None:
        return
    body = list(filled)
    titles = [_plain(cell) for cell in header[1]]
    names = column_names([str(title) for title in titles])
    used = [place for place in range(len(names)) if titles[place] != "" or any(row[place] != "" for _, row in body)]
    for number, row in body:
        values = {names[place]: _plain(row[place]) for place in used}
        yield Row(at=f"{table}:{number}", line=number, values=values)


def _pieces(sheet: CalamineSheet) -> tuple[list[list[Piece]], tuple[int, int]]:
    """The used cells, and row and column of the first from 0."""
    left = sheet.start[1] if sheet.start else 0
    return [[_piece(cell) for cell in row] for row in sheet.iter_rows()], (0, left)


def _piece(cell: Any) -> Piece:
    if cell == "":
        return BLANK
    value = _plain(cell)
    return Piece(cell_text(value), value)


def _write_sheet(sheet: CalamineSheet, grid: list[list[Piece]], origin: tuple[int, int]) -> Draft:
    draft = Draft()
    draft.place(f"{sheet.name}!A1")
    draft.heading(sheet.name, level=1)
    draft.inserted.append(sheet.name)
    filled = [list(row) for row in grid]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        _fill(filled, range(top - origin[0], bottom - origin[0] + 1), range(left - origin[1], right - origin[1] + 1))
    for box in find_regions(filled):
        write_region(draft, filled, box, sheet=sheet.name, origin=origin)
    return draft


def _fill(grid: list[list[Piece]], rows: range, columns: range) -> None:
    if rows.start not in range(len(grid)) or columns.start not in range(len(grid[rows.start])):
        return
    piece = grid[rows.start][columns.start]
    if piece is BLANK:
        return
    for row in grid[rows.start : rows.stop]:
        for column in range(columns.start, min(columns.stop, len(row))):
            row[column] = piece if row[column] is BLANK else row[column]


def _plain(cell: Any) -> Cell:
    if isinstance(cell, float):
        # Excel shows and keeps 15 digits.
        rounded = float(f"{cell:.15g}")
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, datetime.timedelta) else cell
