"""Short names to import paths: what can be read, and what rows can mean."""

import importlib
from typing import Any, cast

from luthier.collect.formats.shape import RowFormat
from luthier.collect.reading import AttachmentReader, DocumentReader, RowReader

ROW_READERS = {
    "csv": "luthier.collect.readers.delimited:read_csv",
    "tsv": "luthier.collect.readers.delimited:read_tsv",
    "jsonl": "luthier.collect.readers.jsonl:read",
    "json": "luthier.collect.readers.json_array:read",
    "conll": "luthier.collect.readers.conll:read",
    "parquet": "luthier.collect.readers.parquet:read",
    "xlsx": "luthier.collect.readers.sheet:read",
    "xls": "luthier.collect.readers.sheet:read",
    "ods": "luthier.collect.readers.sheet:read",
}
DOCUMENT_READERS = {
    "text": "luthier.collect.readers.text:read",
    "markdown": "luthier.collect.readers.markdown:read",
    "rst": "luthier.collect.readers.rst:read",
    "asciidoc": "luthier.collect.readers.asciidoc:read",
    "latex": "luthier.collect.readers.latex:read",
    "ipynb": "luthier.collect.readers.notebook:read",
    "code": "luthier.collect.readers.code:read",
    "eml": "luthier.collect.readers.mail:read_eml",
    "mbox": "luthier.collect.readers.mail:read_mbox",
    "msg": "luthier.collect.readers.mail:read_msg",
    "xml": "luthier.collect.readers.xml_prose:read",
    "man": "luthier.collect.readers.manpage:read",
    "html": "luthier.collect.readers.html:read",
    "pdf": "luthier.collect.readers.pdf.document:read",
    "epub": "luthier.collect.readers.epub:read",
    "docx": "luthier.collect.readers.docx:read",
    "pptx": "luthier.collect.readers.pptx:read",
    "xlsx": "luthier.collect.readers.sheet:read_document",
    "xls": "luthier.collect.readers.sheet:read_document",
    "ods": "luthier.collect.readers.sheet:read_document",
}
READERS = {**DOCUMENT_READERS, **ROW_READERS}
ATTACHMENTS = dict.fromkeys(("eml", "mbox", "msg"), "luthier.collect.readers.mail:attachments")
"""Prose that carries other files."""
FORMATS = {
    "openai": "luthier.collect.formats.messages:OPENAI",
    "sharegpt": "luthier.collect.formats.messages:SHAREGPT",
    "alpaca": "luthier.collect.formats.messages:ALPACA",
    "prompt": "luthier.collect.formats.messages:PROMPT",
    "qa": "luthier.collect.formats.messages:QUESTION",
    "label": "luthier.collect.formats.labels:LABEL",
    "texts": "luthier.collect.formats.labels:TWO_TEXTS",
    "tokens": "luthier.collect.formats.tags:TOKENS",
    "spans": "luthier.collect.formats.tags:SPANS",
    "extraction": "luthier.collect.formats.extractions:EXTRACTION",
    "preference": "luthier.collect.formats.prefer:PREFERENCE",
    "rating": "luthier.collect.formats.prefer:RATING",
    "graded": "luthier.collect.formats.graded:GRADED",
    "pair": "luthier.collect.formats.pairs:PAIR",
    "scored": "luthier.collect.formats.pairs:SCORED",
    "text": "luthier.collect.formats.labels:TEXT",
}


def row_reader(name: str) -> RowReader:
    """The reader of a row format."""
    return cast(RowReader, _load(ROW_READERS[name]))


def document_reader(name: str) -> DocumentReader:
    """The reader of a prose format."""
    return cast(DocumentReader, _load(DOCUMENT_READERS[name]))


def attachment_reader(name: str) -> AttachmentReader | None:
    """What lists the files that a prose format carries; None if it carries none."""
    return cast(AttachmentReader, _load(ATTACHMENTS[name])) if name in ATTACHMENTS else None


def row_formats() -> list[RowFormat]:
    """Every kind of row that is known."""
    return [cast(RowFormat, _load(path)) for path in FORMATS.values()]


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
