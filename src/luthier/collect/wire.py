"""What a worker sends through its pipe: frames of JSON, Arrow IPC or bytes, each checked before it is believed.

A frame is one byte that says what it is, its length as 8 bytes, and that many bytes.
"""

import datetime
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

import orjson
import pyarrow as pa

from luthier.artifacts.documents import DOCUMENT_SCHEMA, document_of, document_row
from luthier.records import Document, Reject, Row

FrameKind = Literal["start", "rows", "document", "member", "bytes", "end"]
KINDS: dict[FrameKind, int] = {"start": 1, "rows": 2, "document": 3, "member": 4, "bytes": 5, "end": 6}
NAMES = {code: name for name, code in KINDS.items()}
HEADER = struct.Struct(">BQ")
MOST_BYTES = {
    "start": 1 << 16,
    "rows": 128 << 20,
    "document": 1 << 30,
    "member": 1 << 16,
    "bytes": 1 << 20,
    "end": 1 << 16,
}
"""Longest payload of each kind."""
BATCH_ROWS = 1_000
BATCH_BYTES = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")
ROW_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("table", "at")],
        *[(name, pa.int64()) for name in ("line", "offset")],
        # JSON of a row's values, or the text of a refused row.
        *[(name, pa.string()) for name in ("content", "reason")],
    ]
)


class WireError(Exception):
    """A worker sent what no worker of ours sends; nothing of the file is believed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: FrameKind
    payload: bytes


def write_frame(stream: IO[bytes], kind: FrameKind, payload: bytes) -> None:
    """Send one frame."""
    stream.write(HEADER.pack(KINDS[kind], len(payload)))
    stream.write(payload)


def read_frame(read: Callable[[int], bytes]) -> Frame | None:
    """The next frame, None at the end; `read(n)` gives n bytes, fewer at the end only. Raises WireError."""
    header = read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise WireError("the reader stopped in the middle of a message")
    code, length = HEADER.unpack(header)
    kind = NAMES.get(code)
    if kind is None or length > MOST_BYTES[kind]:
        raise WireError("the reader sent a message of an unknown kind or size")
    payload = read(length)
    if len(payload) < length:
        raise WireError("the reader stopped in the middle of a message")
    return Frame(kind, payload)


def json_frame(frame: Frame) -> dict[str, Any]:
    """The payload of a JSON frame. Raises WireError."""
    try:
        content = orjson.loads(frame.payload)
    except orjson.JSONDecodeError:
        raise WireError("the reader sent a damaged message") from None
    if not isinstance(content, dict):
        raise WireError("the reader sent a damaged message")
    return content


def row_batches(items: Iterable[Row | Reject]) -> Iterator[tuple[bytes, int]]:
    """Rows and refused rows as Arrow IPC, with how many bytes of content each batch holds."""
    batch: list[dict[str, Any]] = []
    size = 0
    for item in items:
        entry = _row_entry(item)
        batch.append(entry)
        size += len(entry["content"])
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _to_ipc(batch, ROW_SCHEMA), size
            batch, size = [], 0
    if batch:
        yield _to_ipc(batch, ROW_SCHEMA), size


def rows_of(payload: bytes) -> Iterator[Row | Reject]:
    """The rows of one batch. Raises WireError."""
    for entry in _from_ipc(payload, ROW_SCHEMA):
        if entry["reason"] is not None:
            yield Reject(entry["table"], entry["line"], entry["reason"], entry["content"], offset=entry["offset"])
            continue
        try:
            values = orjson.loads(entry["content"])
        except orjson.JSONDecodeError:
            raise WireError("the reader sent a damaged row") from None
        if not isinstance(values, dict):
            raise WireError("the reader sent a damaged row")
        yield Row(at=entry["at"], line=entry["line"], values=values, offset=entry["offset"])


def document_bytes(document: Document) -> bytes:
    """A document as Arrow IPC. Lone surrogates, which no encoding can hold, become question marks."""
    row = document_row(document)
    try:
        return _to_ipc([row], DOCUMENT_SCHEMA)
    except UnicodeEncodeError:
        return _to_ipc([_without_surrogates(row)], DOCUMENT_SCHEMA)


def document_from(payload: bytes) -> Document:
    """The document of a frame, with every offset inside its text. Raises WireError."""
    rows = _from_ipc(payload, DOCUMENT_SCHEMA)
    if len(rows) != 1:
        raise WireError("the reader sent no document")
    try:
        document = document_of(rows[0])
    except (ValueError, TypeError):
        raise WireError("the reader sent a damaged document") from None
    most = len(document.text)
    ends = [
        *[offset for offset, _, _ in document.headings],
        *[offset for offset, _ in document.anchors],
        *[place for grid in document.grids for place in (grid.start, grid.end)],
        *[place for part in document.code for place in part],
    ]
    if any(not 0 <= end <= most for end in ends) or not SHA256.fullmatch(document.id):
        raise WireError("the reader sent a document with a place outside of its text, or a wrong id")
    return document


def _row_entry(item: Row | Reject) -> dict[str, Any]:
    if isinstance(item, Reject):
        reason, content = _encodable(item.reason), _encodable(item.row)
        return _entry(item.file, "", item) | {"content": content, "reason": reason}
    return _entry(item.at.rpartition(":")[0], item.at, item) | {"content": _json(item.values), "reason": None}


def _entry(table: str, at: str, item: Row | Reject) -> dict[str, Any]:
    return {"table": table, "at": at, "line": item.line, "offset": item.offset}


def _json(values: Any) -> str:
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
    try:
        return orjson.dumps(values, default=_plain, option=options).decode("utf-8")
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits and lone surrogates have no other way through.
        return orjson.dumps(_mended(values), default=_plain, option=options).decode("utf-8")


def _plain(value: Any) -> str:
    match value:
        case bytes():
            return value.hex()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


def _mended(value: Any) -> Any:
    match value:
        case dict():
            return {_mended(name): _mended(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_mended(inner) for inner in value]
        case str():
            return _encodable(value)
        case int() if not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
            return str(value)
        case _:
            return value


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_surrogates(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(inner) for inner in value]
    return _encodable(value) if isinstance(value, str) else value


def _encodable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _to_ipc(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
    return bytes(sink.getvalue())


def _from_ipc(payload: bytes, schema: pa.Schema) -> list[dict[str, Any]]:
    try:
        with pa.ipc.open_stream(payload) as stream:
            if not stream.schema.equals(schema):
                raise WireError("the reader sent a table of another shape")
            batches = list(stream)
        for batch in batches:
            batch.validate(full=True)
        return [row for batch in batches for row in batch.to_pylist()]
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError):
        raise WireError("the reader sent a damaged table") from None
