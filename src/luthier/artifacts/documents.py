"""Documents at rest: one row each, with headings, anchors, typed grids and pages nested in it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa

from luthier.artifacts.tables import opened, table_writer
from luthier.records import Document, Grid, Page

GROUP_ROWS = 1_000
GROUP_CHARACTERS = 32 << 20
"""A row group ends with the document that reaches this."""
BATCH_ROWS = 16
PLACES = pa.list_(pa.struct([("offset", pa.int64()), ("place", pa.string())]))
PAIRS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
RANGES = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))
DOCUMENT_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("id", "file", "kind", "title", "text")],
        ("headings", pa.list_(pa.struct([("offset", pa.int64()), ("level", pa.int64()), ("heading", pa.string())]))),
        ("meta", PAIRS),
        ("anchors", PLACES),
        (
            "grids",
            pa.list_(
                pa.struct(
                    [
                        ("at", pa.string()),
                        ("start", pa.int64()),
                        ("end", pa.int64()),
                        ("header", pa.list_(pa.string())),
                        # A list of rows as JSON: cells of one column may be text, numbers, booleans and null.
                        ("rows", pa.string()),
                    ]
                )
            ),
        ),
        ("code", RANGES),
        (
            "pages",
            pa.list_(
                pa.struct(
                    [
                        ("place", pa.string()),
                        ("state", pa.string()),
                        ("coverage", pa.float64()),
                        ("lost", pa.list_(pa.string())),
                    ]
                )
            ),
        ),
        ("thread", pa.string()),
        ("cut", pa.list_(pa.struct([("name", pa.string()), ("characters", pa.int64())]))),
    ]
)


class DocumentWriter:
    """A table of documents that is written while they come: a context manager."""

    def __init__(self, path: Path) -> None:
        """Create the file at `path`."""
        self.count = 0
        self._rows: list[dict[str, Any]] = []
        self._characters = 0
        self._writer = table_writer(path, DOCUMENT_SCHEMA)

    def write(self, document: Document) -> None:
        """Add one document."""
        self._rows.append(document_row(document))
        self._characters += len(document.text)
        self.count += 1
        if len(self._rows) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=DOCUMENT_SCHEMA))
        self._rows, self._characters = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and (self._rows or not self.count):
            self._flush()
        self._writer.close()


def write_documents(path: Path, documents: Iterable[Document]) -> int:
    """Write documents in order; returns how many there were."""
    with DocumentWriter(path) as writer:
        for document in documents:
            writer.write(document)
    return writer.count


def read_documents(path: Path) -> Iterator[Document]:
    """Read what `write_documents` wrote, in order, a few at a time; UserError if the file is damaged."""
    with opened(path) as table:
        for batch in table.iter_batches(batch_size=BATCH_ROWS):
            yield from map(document_of, batch.to_pylist())


def document_row(document: Document) -> dict[str, Any]:
    """A document as a row of DOCUMENT_SCHEMA."""
    return {
        "id": document.id,
        "file": document.file,
        "kind": document.kind,
        "title": document.title,
        "text": document.text,
        "headings": [
            {"offset": offset, "level": level, "heading": heading} for offset, level, heading in document.headings
        ],
        "meta": [{"name": name, "value": value} for name, value in document.meta.items()],
        "anchors": [{"offset": offset, "place": place} for offset, place in document.anchors],
        "grids": [_grid_row(grid) for grid in document.grids],
        "code": [{"start": start, "end": end} for start, end in document.code],
        "pages": [
            {"place": page.place, "state": page.state, "coverage": page.coverage, "lost": list(page.lost)}
            for page in document.pages
        ],
        "thread": document.thread,
        "cut": [{"name": name, "characters": characters} for name, characters in document.cut.items()],
    }


def document_of(row: Mapping[str, Any]) -> Document:
    """The document that `document_row` made into a row. ValueError if a grid's rows are not JSON."""
    return Document(
        id=row["id"],
        file=row["file"],
        kind=row["kind"],
        title=row["title"],
        text=row["text"],
        headings=tuple((entry["offset"], entry["level"], entry["heading"]) for entry in row["headings"]),
        meta={entry["name"]: entry["value"] for entry in row["meta"]},
        anchors=tuple((entry["offset"], entry["place"]) for entry in row["anchors"]),
        grids=tuple(_grid_of(grid) for grid in row["grids"]),
        code=tuple((entry["start"], entry["end"]) for entry in row["code"]),
        pages=tuple(
            Page(place=page["place"], state=page["state"], coverage=page["coverage"], lost=tuple(page["lost"]))
            for page in row["pages"]
        ),
        thread=row["thread"],
        cut={entry["name"]: entry["characters"] for entry in row["cut"]},
    )


def _grid_row(grid: Grid) -> dict[str, Any]:
    rows = orjson.dumps(grid.rows).decode("utf-8")
    return {"at": grid.at, "start": grid.start, "end": grid.end, "header": list(grid.header), "rows": rows}


def _grid_of(row: Mapping[str, Any]) -> Grid:
    return Grid(
        at=row["at"],
        start=row["start"],
        end=row["end"],
        header=tuple(row["header"]),
        rows=tuple(map(tuple, orjson.loads(row["rows"]))),
    )
