"""XLSX: every sheet is a table whose first filled row is the header; values, not formulas; dates in ISO form."""

import datetime
from collections.abc import Iterator
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from luthier.collect.reading import Source, column_names, unreadable_on
from luthier.records import Reject, Row


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of all sheets, in the workbook's order. Blank rows are no rows."""
    with (
        unreadable_on(CalamineError, problem="damaged workbook"),
        CalamineWorkbook.from_path(source.path) as book,
    ):
        sheets = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        for name in sheets:
            cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            yield from _rows(f"{source.name}!{name}", cells)


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


def _plain(cell: Any) -> Any:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, datetime.timedelta) else cell
