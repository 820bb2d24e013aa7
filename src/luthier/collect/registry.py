"""Short names to import paths: what can be read, and what rows can mean."""

import importlib
from typing import Any, cast

from luthier.collect.formats.shape import RowFormat
from luthier.collect.reading import DocumentReader, RowReader

ROW_READERS = {
    "csv": "luthier.collect.readers.delimited:read_csv",
    "tsv": "luthier.collect.readers.delimited:read_tsv",
    "jsonl": "luthier.collect.readers.jsonl:read",
    "json": "luthier.collect.readers.json_array:read",
    "parquet": "luthier.collect.readers.parquet:read",
    "xlsx": "luthier.collect.readers.sheet:read",
}
DOCUMENT_READERS = {
    "text": "luthier.collect.readers.text:read",
    "markdown": "luthier.collect.readers.markdown:read",
    "html": "luthier.collect.readers.html:read",
    "docx": "luthier.collect.readers.docx:read",
}
READERS = {**ROW_READERS, **DOCUMENT_READERS}
FORMATS = {
    "openai": "luthier.collect.formats.messages:OPENAI",
    "alpaca": "luthier.collect.formats.messages:ALPACA",
    "prompt": "luthier.collect.formats.messages:PROMPT",
    "qa": "luthier.collect.formats.messages:QUESTION",
    "label": "luthier.collect.formats.labels:LABEL",
    "text": "luthier.collect.formats.labels:TEXT",
}


def row_reader(name: str) -> RowReader:
    """The reader of a row format."""
    return cast(RowReader, _load(ROW_READERS[name]))


def document_reader(name: str) -> DocumentReader:
    """The reader of a prose format."""
    return cast(DocumentReader, _load(DOCUMENT_READERS[name]))


def row_formats() -> list[RowFormat]:
    """Every kind of row that is known."""
    return [cast(RowFormat, _load(path)) for path in FORMATS.values()]


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
