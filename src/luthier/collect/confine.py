"""The trusting side's end of the workers: hand over an open file, take back checked frames, count the time.

Every file is read by a process of its own, forked from a server that has the readers loaded (`worker.py`) and confined
(`sandbox.py`). A process that dies, hangs or sends nonsense costs its own file.
"""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from luthier.collect.identify import Identity, type_by_name
from luthier.collect.registry import DOCUMENT_READERS, ROW_READERS
from luthier.collect.session import MOST_WALL_SECONDS, Budget, Session, Unpacked
from luthier.collect.wire import Frame, WireError, document_from, json_frame, read_frame, rows_of, write_frame
from luthier.collect.worker import allowance, most_text
from luthier.records import Document, Reject, Row

IN_MEMORY = 1 << 20
"""Bytes of one file's frames that are kept in memory; more go to a file without a name."""
FRAMES_RATIO, LEAST_FRAMES = 200, 64 << 20
"""A worker may send max(64 MB, 200 x the file's size) of rows, and 8 x the text it may send as documents."""
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Allocators that claim address space ahead would use up the limit on it.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One file to be read, and how."""

    file: BinaryIO
    name: str
    size: int
    as_document: bool = False
    """Read a table as prose."""
    documents: bool = True
    """False: only tell what a prose file is."""
    unpack: bool = True
    """False: only tell that it is an archive."""
    attachments: bool = True
    """False: only name a mail's attachments."""
    most_rows: int | None = None


Spool = tempfile.SpooledTemporaryFile[bytes]


@dataclass(slots=True)
class Reply:
    """What a worker made of a file."""

    identity: Identity
    problem: str = ""
    """Why the file cannot be read, empty if it was."""
    skipped: bool = False
    """True: it was left out on purpose, and `problem` says why."""
    missing: list[str] = field(default_factory=list)
    """Walls that this machine could not put around the worker."""
    seconds: float = 0.0
    frames: Spool | None = None
    session: Session | None = None

    def rows(self) -> Iterator[Row | Reject]:
        """The rows of a row file, from the first at every call. Raises WireError."""
        for frame in self._frames():
            if frame.kind == "rows":
                yield from rows_of(frame.payload)

    def documents(self) -> Iterator[Document]:
        """The documents of a prose file. Raises WireError."""
        for frame in self._frames():
            if frame.kind == "document":
                yield document_from(frame.payload)

    def members(self, budget: Budget) -> Iterator[Unpacked]:
        """The members of an archive or mail, each unpacked when it is asked for; `problem` is set if they end early."""
        if self.session is None:
            return
        try:
            yield from self.session.members(budget)
        finally:
            self.session.close()
        self.problem = self.problem or self.session.problem

    def close(self) -> None:
        """Let go of what the reply holds."""
        if self.frames is not None:
            self.frames.close()
        if self.session is not None:
            self.session.close()

    def _frames(self) -> Iterator[Frame]:
        if self.frames is None:
            return
        self.frames.seek(0)
        while (frame := read_frame(self.frames.read)) is not None:
            yield frame


class Workers:
    """A context manager over the server of readers; `submit` works from any thread."""

    def __init__(self, *, count: int | None = None, warm: Sequence[str] = (), scratch: Path | None = None) -> None:
        """Read `count` files at a time (default: one per processor, 8 at most); the modules `warm` are loaded ahead."""
        self.count = count or min(8, os.cpu_count() or 1)
        self._warm = tuple(warm)
        self._scratch = scratch
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._live: set[Session] = set()
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="collect")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in list(self._live):
            session.abort()
        self._threads.shutdown(wait=True)
        with self._lock:
            for control in self._idle:
                control.close()
            self._idle.clear()
            self._stop_server()

    def submit(self, job: Job) -> Future[Reply]:
        """Read a file as soon as a worker is free."""
        return self._threads.submit(self.read, job)

    def read(self, job: Job) -> Reply:
        """Read a file now. Nothing is raised for what the file or its worker does."""
        began = time.monotonic()
        session = self._start(job)
        self._live.add(session)
        reply = Reply(Identity("unknown"))
        try:
            self._receive(session, job, reply)
        except WireError as error:
            reply.problem = str(error)
        except TimeoutError:
            reply.problem = f"took longer than {_patience(reply.identity, job)} s"
        reply.seconds = time.monotonic() - began
        if reply.session is None:
            session.close()
        self._live.discard(session)
        return reply

    def _receive(self, session: Session, job: Job, reply: Reply) -> None:
        reply.frames = Spool(max_size=IN_MEMORY, dir=None if self._scratch is None else str(self._scratch))
        room = max(LEAST_FRAMES, FRAMES_RATIO * job.size, 8 * most_text(job.size))
        ended = False
        for frame in session.frames():
            room -= len(frame.payload)
            if frame.kind == "start":
                reply.identity, reply.missing = _identity(frame)
                session.deadline = time.monotonic() + _patience(reply.identity, job)
            elif frame.kind == "end":
                end, ended = json_frame(frame), True
                reply.problem, reply.skipped = str(end.get("problem", "")), end.get("skipped") is True
                break
            elif frame.kind in {"rows", "document"} and room > 0:
                write_frame(reply.frames, frame.kind, frame.payload)
            else:
                raise WireError("the reader sent more than it may")
        if session.has_members:
            reply.session = session
            return
        status = session.finish()
        if not ended:
            reply.problem = _cause_of_death(status)

    def _start(self, job: Job) -> Session:
        control = self._take()
        reading, writing = os.pipe()
        names = ("name", "as_document", "documents", "unpack", "attachments", "most_rows")
        wanted = {name: getattr(job, name) for name in names}
        try:
            socket.send_fds(control, [orjson.dumps(wanted)], [job.file.fileno(), writing])
        finally:
            os.close(writing)
        return Session(control, reading, scratch=self._scratch, give_back=self._give_back)

    def _take(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    socket.send_fds(self._running_server(), [b"1"], [theirs.fileno()])
                except BrokenPipeError:
                    self._stop_server()
                    socket.send_fds(self._running_server(), [b"1"], [theirs.fileno()])
            return ours

    def _give_back(self, control: socket.socket) -> None:
        with self._lock:
            self._idle.append(control)

    def _running_server(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-m", "luthier.collect.worker", str(theirs.fileno()), *self._warm],
                pass_fds=[theirs.fileno()],
                env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is ours to answer: the workers go when their sockets close.
                start_new_session=True,
            )
        self._socket = ours
        return ours

    def _stop_server(self) -> None:
        if self._socket is not None and self._server is not None:
            self._socket.close()
            self._server.wait()
        self._socket = self._server = None


def modules_for(names: Iterable[str]) -> list[str]:
    """The reader modules that files of these names will need."""
    kinds = {kind for name in names if (kind := type_by_name(name)) is not None}
    paths = [table[kind] for table in (ROW_READERS, DOCUMENT_READERS) for kind in kinds if kind in table]
    return sorted({path.partition(":")[0] for path in paths})


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading, never through a link. OSError if it is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file", str(path))
    return open(descriptor, "rb", buffering=0)


def _identity(frame: Frame) -> tuple[Identity, list[str]]:
    content = json_frame(frame)
    kind, note, problem = (str(content.get(name, "")) for name in ("type", "note", "problem"))
    encoding, missing = content.get("encoding"), content.get("missing")
    if not isinstance(encoding, str | None) or not isinstance(missing, list):
        raise WireError("the reader sent a damaged message")
    identity = Identity(kind, encoding, note, problem, is_broken=content.get("is_broken") is True)
    return identity, [str(wall) for wall in missing]


def _patience(identity: Identity, job: Job) -> int:
    """Seconds that the file may take."""
    streams = identity.type in ROW_READERS and not job.as_document
    return allowance(job.size, per_file=MOST_WALL_SECONDS) if streams else MOST_WALL_SECONDS


def _cause_of_death(status: int | None) -> str:
    if status is None or not os.WIFSIGNALED(status):
        return "the reader died"
    number = signal.Signals(os.WTERMSIG(status))
    if number in {signal.SIGXCPU, signal.SIGKILL}:
        return "the reader was killed: it took too much time or memory"
    cause = "; most likely it needed more than 1 GB of memory" if number == signal.SIGABRT else ""
    return f"the reader crashed ({number.name}{cause})"
