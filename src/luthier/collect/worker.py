"""The confined side: a server that holds the readers ready, and forks one short-lived process per file.

`python -m luthier.collect.worker SOCKET READER...` imports the readers once. Each message on SOCKET carries one end of
another socket for a new supervisor, a fork of the server; each message to a supervisor carries an open file and a pipe,
and the supervisor forks the process that, confined, reads the one into the other and dies.
"""

import array
import gc
import importlib
import mimetypes
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from luthier.collect.containers import Member, members, refusal
from luthier.collect.identify import Identity, identify
from luthier.collect.kinds import CONTAINERS
from luthier.collect.reading import SkippedError, Source, UnreadableError, reject
from luthier.collect.registry import READERS, ROW_READERS, attachment_reader, document_reader, row_reader
from luthier.collect.sandbox import (
    HARD_CPU_SECONDS,
    MOST_CPU_SECONDS,
    Confinement,
    Walls,
    allow_cpu,
    confine,
    raise_walls,
)
from luthier.collect.wire import document_bytes, row_batches, write_frame
from luthier.records import Document, Reject, Row

MOST_MESSAGE = 1 << 16
TEXT_RATIO, LEAST_TEXT, MOST_TEXT = 20, 1 << 20, 200 << 20
"""A file may hold max(1 MB, 20 x its size) of text, and 200 MB."""
ROW_RATIO, LEAST_ROWS = 100, 16 << 20
"""Packed row files may unpack to max(16 MB, 100 x their size)."""
PACKED_ROWS = frozenset({"parquet", "xlsx", "xls", "ods"})
BYTES_PER_ALLOWANCE = 64 << 20
"""Row files, which stream, may take the time of one file for each 64 MB."""
TOO_DEEP = "lies too deep in other files"
MOST_COLUMNS, SHOWN_COLUMNS = 10_000, 30
PIPE_BYTES = 1 << 20


def main(arguments: list[str]) -> None:
    """Serve until the socket closes."""
    server = socket.socket(fileno=int(arguments[0]))
    for module in arguments[1:]:
        # Whoever needs it will say that it is lacking.
        with suppress(ImportError):
            importlib.import_module(module)
    # Types by extension as the language knows them, not as this machine's files do.
    mimetypes.init(files=[])
    walls = raise_walls()
    # What is here stays shared: collecting garbage in a fork would copy every page it looks at.
    gc.disable()
    gc.freeze()
    # Supervisors are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        _, descriptors = receive(server)
        if not descriptors:
            return
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            supervise(socket.socket(fileno=descriptors[0]), walls)
            os._exit(0)
        os.close(descriptors[0])


def supervise(control: socket.socket, walls: Walls) -> None:
    """Run one process per message until the socket closes."""
    while True:
        message, descriptors = receive(control)
        if len(descriptors) != 2:
            return
        alive, hold = os.pipe()
        process = os.fork()
        if process == 0:
            control.close()
            os.close(alive)
            run_and_exit(orjson.loads(message), walls, *descriptors)
        for descriptor in (hold, *descriptors):
            os.close(descriptor)
        # The pipe ends when the process does; the socket, when whoever asked has lost patience.
        poll = select.poll()
        poll.register(alive, select.POLLIN)
        poll.register(control, select.POLLIN)
        if any(ready == control.fileno() for ready, _ in poll.poll()):
            os.kill(process, signal.SIGKILL)
            os._exit(0)
        os.close(alive)
        _, status = os.waitpid(process, 0)
        control.sendall(struct.pack("=i", status))


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One message and the descriptors that came with it; nothing when the other side is gone."""
    descriptors = array.array("i")
    message, ancillary, _, _ = connection.recvmsg(MOST_MESSAGE, socket.CMSG_SPACE(2 * descriptors.itemsize))
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return message, list(descriptors)


def run_and_exit(job: dict[str, Any], walls: Walls, file: int, pipe: int) -> None:
    """Read one file into the pipe and end this process, whatever happens."""
    try:
        confinement = confine(walls, file)
        with open(pipe, "wb", buffering=PIPE_BYTES) as out:
            end = _run(job, file, confinement, out)
            write_frame(out, "end", orjson.dumps(end))
    except BrokenPipeError:
        os._exit(1)
    finally:
        os._exit(0)


def _run(job: dict[str, Any], file: int, confinement: Confinement, out: BinaryIO) -> dict[str, Any]:
    """Read the file; the answer says why it was not read, and whether on purpose."""
    place = Path(f"/proc/self/fd/{file}") if os.path.exists("/proc/self/fd") else Path(f"/dev/fd/{file}")
    try:
        identity = identify(place, name=job["name"])
        _write_start(out, identity, confinement)
        if not identity.problem and (identity.type in CONTAINERS or identity.type in READERS):
            source = Source(path=place, name=job["name"], encoding=identity.encoding)
            _read(source, identity.type, job, out)
    except UnreadableError as error:
        return {"problem": str(error), "skipped": isinstance(error, SkippedError)}
    except MemoryError:
        return {"problem": "needs more than 1 GB of memory"}
    except RecursionError:
        return {"problem": "nested too deeply"}
    except BrokenPipeError:
        raise
    # A reader that stumbles over a hostile file costs that file, whatever it stumbles with.
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), "")
        return {"problem": f"the reader stopped ({type(error).__name__}: {first_line})"[:500]}
    return {"problem": ""}


def _write_start(out: BinaryIO, identity: Identity, confinement: Confinement) -> None:
    start = {name: getattr(identity, name) for name in ("type", "encoding", "note", "problem", "is_broken")}
    write_frame(out, "start", orjson.dumps(start | {"missing": confinement.missing}))
    out.flush()


def _read(source: Source, kind: str, job: dict[str, Any], out: BinaryIO) -> None:
    size = source.path.stat().st_size
    if kind in CONTAINERS:
        allow_cpu(HARD_CPU_SECONDS)
        _write_members(members(source, kind) if job["unpack"] else iter(()), out)
    elif kind in ROW_READERS and not job["as_document"]:
        allow_cpu(allowance(size))
        _write_rows(row_reader(kind)(source), job["most_rows"], _most_rows_bytes(kind, size), out)
    elif job["documents"]:
        _write_documents(document_reader(kind)(source), most_text(size), out)
        attachments = attachment_reader(kind)
        if attachments is not None:
            out.flush()
            _write_attachments(attachments(source), out, is_too_deep=not job["attachments"])


def allowance(size: int, *, per_file: int = MOST_CPU_SECONDS) -> int:
    """Seconds that a row file of `size` bytes may take."""
    return per_file * (1 + size // BYTES_PER_ALLOWANCE)


def most_text(size: int) -> int:
    """Characters of text that a file of `size` bytes may hold."""
    return min(MOST_TEXT, max(LEAST_TEXT, TEXT_RATIO * size))


def _most_rows_bytes(kind: str, size: int) -> int | None:
    return max(LEAST_ROWS, ROW_RATIO * size) if kind in PACKED_ROWS else None


def _write_rows(items: Iterable[Row | Reject], most_rows: int | None, most_bytes: int | None, out: BinaryIO) -> None:
    total = 0
    for payload, size in row_batches(_not_too_wide(_head(items, most_rows))):
        total += size
        if most_bytes is not None and total > most_bytes:
            raise UnreadableError(f"unpacks to more than {most_bytes >> 20:,} MB of rows")
        write_frame(out, "rows", payload)


def _not_too_wide(items: Iterable[Row | Reject]) -> Iterator[Row | Reject]:
    for item in items:
        if isinstance(item, Row) and len(item.values) > MOST_COLUMNS:
            problem = f"{len(item.values):,} columns, and rows of at most {MOST_COLUMNS:,} are read"
            text = ", ".join(islice(item.values, SHOWN_COLUMNS))
            yield reject(item.at.rpartition(":")[0], item.line, problem, text, offset=item.offset)
        else:
            yield item


def _head(items: Iterable[Row | Reject], most: int | None) -> Iterator[Row | Reject]:
    for number, item in enumerate(items):
        if most is not None and number >= most:
            return
        yield item


def _write_documents(documents: Iterable[Document], most: int, out: BinaryIO) -> None:
    total = 0
    for document in documents:
        total += len(document.text)
        if total > most:
            raise UnreadableError(f"holds more than {most >> 20:,} MB of text, for a file of its size")
        write_frame(out, "document", document_bytes(document))


def _write_attachments(files: Iterable[tuple[str, bytes]], out: BinaryIO, *, is_too_deep: bool) -> None:
    for name, content in files:
        refused = TOO_DEEP if is_too_deep else refusal(name)
        _write_members([Member(name, iter(() if refused else (content,)), refused)], out)


def _write_members(found: Iterable[Member], out: BinaryIO) -> None:
    for member in found:
        head = {"name": member.name.encode("utf-8", errors="replace").decode("utf-8"), "refused": member.refused}
        write_frame(out, "member", orjson.dumps(head))
        problem = _write_blocks(member.blocks, out)
        write_frame(out, "end", orjson.dumps({"problem": problem}))
        out.flush()


def _write_blocks(blocks: Iterable[bytes], out: BinaryIO) -> str:
    try:
        for block in blocks:
            write_frame(out, "bytes", block)
    except UnreadableError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1:])
