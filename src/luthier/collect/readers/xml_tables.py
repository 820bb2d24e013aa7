"""Tables of DocBook and JATS: CALS and HTML rows as plain cells, spans filled."""

from collections.abc import Callable, Iterator, Mapping
from xml.etree.ElementTree import Element

MOST_SPAN = 1_000
CELLS = frozenset({"entry", "td", "th"})


def local(element: Element) -> str:
    """An element's name without its namespace, in lower case."""
    return str(element.tag).rpartition("}")[2].lower()


def table_rows(table: Element, *, text_of: Callable[[Element], str]) -> tuple[list[list[str]], int, list[str]]:
    """Rows of a table, how many of them are titles, and the words that were repeated to fill spans."""
    names = _column_names(table)
    rows: list[list[str]] = []
    repeated: list[str] = []
    reaching: dict[int, tuple[str, int]] = {}
    titles = 0
    for row, is_title in _rows(table):
        cells = {place: text for place, (text, _) in reaching.items()}
        repeated += cells.values()
        reaching = {place: (text, left - 1) for place, (text, left) in reaching.items() if left > 1}
        for cell in row:
            if local(cell) in CELLS:
                text = " ".join(text_of(cell).split())
                places = _places(cell, names, taken=cells)
                cells |= dict.fromkeys(places, text)
                rows_below = _number(cell, "rowspan") - 1 if cell.get("rowspan") else _number(cell, "morerows")
                reaching |= dict.fromkeys(places if rows_below > 0 else (), (text, rows_below))
                repeated += [text] * (len(places) - 1)
        rows.append([cells.get(place, "") for place in range(max(cells, default=-1) + 1)])
        titles += is_title and titles == len(rows) - 1
    return rows, titles, repeated


def _places(cell: Element, names: dict[str, int], *, taken: Mapping[int, str]) -> range:
    """The columns that a cell covers: those it names, else from the first that is free."""
    first = names.get(cell.get("namest") or cell.get("colname") or "")
    last = names.get(cell.get("nameend") or "")
    if first is None or first in taken:
        first = next(place for place in range(len(taken) + 1) if place not in taken)
        last = None
    width = last - first + 1 if last is not None else _number(cell, "colspan")
    return range(first, first + min(MOST_SPAN, max(1, width)))


def _rows(table: Element) -> Iterator[tuple[Element, bool]]:
    stack = [(child, False) for child in reversed(table)]
    while stack:
        element, is_title = stack.pop()
        name = local(element)
        if name in {"row", "tr"}:
            cells = [local(cell) for cell in element]
            yield element, is_title or (bool(cells) and all(cell == "th" for cell in cells))
        elif name in {"tgroup", "thead", "tbody", "tfoot", "table"}:
            stack += [(child, name == "thead") for child in reversed(element)]


def _column_names(table: Element) -> dict[str, int]:
    specs = (element for element in table.iter() if local(element) == "colspec")
    return {
        spec.get("colname", ""): _number(spec, "colnum") - 1 if spec.get("colnum") else place
        for place, spec in enumerate(specs)
    }


def _number(element: Element, name: str) -> int:
    value = element.get(name) or ""
    return min(MOST_SPAN, int(value)) if value.isdecimal() else 0
