"""One worker process at work: its frames until it ends, or until patience does."""

import hashlib
import os
import select
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from luthier.collect.wire import Frame, WireError, json_frame, read_frame

MOST_WALL_SECONDS = 60
MOST_ENTRIES = 10_000
MOST_UNPACKED = 20 << 30
MOST_RATIO, RATIO_COUNTS_FROM = 100, 100 << 20
READ_BYTES = 1 << 20
unnamed_file = tempfile.TemporaryFile


@dataclass(slots=True)
class Budget:
    """What one outermost archive may still unpack to."""

    packed: int
    entries: int = 0
    unpacked: int = 0

    def problem(self) -> str:
        """Why no more is unpacked, empty while there is room."""
        if self.entries > MOST_ENTRIES:
            return f"only the first {MOST_ENTRIES:,} members were unpacked"
        if self.unpacked > MOST_UNPACKED:
            return f"unpacking stopped after {MOST_UNPACKED >> 30} GB"
        if self.unpacked > RATIO_COUNTS_FROM and self.unpacked > MOST_RATIO * self.packed:
            return f"unpacking stopped: it grows more than {MOST_RATIO}-fold (an archive bomb?)"
        return ""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One member of an archive or attachment of a mail, in a file without a name."""

    name: str
    file: BinaryIO
    size: int
    sha256: str
    problem: str = ""
    """Why it cannot be read, empty if it can."""


class Session:
    """One worker process at work: its frames until it ends, or until patience does."""

    def __init__(
        self, control: socket.socket, pipe: int, *, scratch: Path | None, give_back: Callable[[socket.socket], None]
    ) -> None:
        """Take over a supervisor's socket, which `give_back` takes when it is free, and the pipe's reading end."""
        self.deadline = time.monotonic() + MOST_WALL_SECONDS
        self.problem = ""
        self._control = control
        self._give_back = give_back
        self._pipe = pipe
        self._buffer = bytearray()
        self._scratch = scratch
        self._pending: Frame | None = None

    def frames(self) -> Iterator[Frame]:
        """All frames up to the first member. Raises WireError and TimeoutError."""
        while (frame := read_frame(self._read)) is not None:
            if frame.kind == "member":
                self._pending = frame
                return
            yield frame

    def members(self, budget: Budget) -> Iterator[Unpacked]:
        """All members; what stopped them early is in `problem`."""
        try:
            while not self.problem and (head := self._next_head()) is not None:
                budget.entries += 1
                self.problem = budget.problem()
                if not self.problem:
                    yield self._unpack(head, budget)
        except WireError as error:
            self.problem = str(error)
        except TimeoutError:
            self.problem = f"unpacking took longer than {MOST_WALL_SECONDS} s"

    @property
    def has_members(self) -> bool:
        """True if a member follows."""
        return self._pending is not None

    def finish(self) -> int | None:
        """Wait for the process and free its supervisor: how it ended, as `os.waitpid` says it, None if nobody knows."""
        status = None
        self._control.settimeout(MOST_WALL_SECONDS)
        with suppress(OSError):
            answer = self._control.recv(4)
            status = int(struct.unpack("=i", answer)[0]) if len(answer) == 4 else None
        os.close(self._pipe)
        self._pipe = -1
        if status is None:
            self._control.close()
        else:
            self._control.settimeout(None)
            self._give_back(self._control)
        return status

    def abort(self) -> None:
        """Let the process be ended, from another thread than the one that reads."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the process if it still runs: its supervisor sees the socket close."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            self._control.close()

    def _next_head(self) -> dict[str, object] | None:
        frame = self._pending
        self._pending = None
        if frame is None:
            self.deadline = time.monotonic() + MOST_WALL_SECONDS
            frame = read_frame(self._read)
        if frame is None:
            raise WireError("the reader died while it unpacked")
        content = json_frame(frame)
        if frame.kind == "end":
            self.problem = str(content.get("problem", ""))
            self.finish()
            return None
        if frame.kind != "member":
            raise WireError("the reader sent a message out of turn")
        return content

    def _unpack(self, head: dict[str, object], budget: Budget) -> Unpacked:
        file = cast(BinaryIO, unnamed_file(dir=self._scratch))
        digest, size, problem = hashlib.sha256(), 0, str(head.get("refused", ""))
        while True:
            self.deadline = time.monotonic() + MOST_WALL_SECONDS
            frame = read_frame(self._read)
            if frame is None or frame.kind not in {"bytes", "end"}:
                raise WireError("the reader died while it unpacked")
            if frame.kind == "end":
                problem = problem or str(json_frame(frame).get("problem", ""))
                break
            size += len(frame.payload)
            budget.unpacked += len(frame.payload)
            problem = self.problem = budget.problem()
            if problem:
                break
            digest.update(frame.payload)
            file.write(frame.payload)
        file.flush()
        return Unpacked(str(head.get("name", "")), file, size, digest.hexdigest(), problem)

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._wait()
            block = os.read(self._pipe, READ_BYTES)
            if not block:
                break
            self._buffer += block
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        left = self.deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1_000):
            raise TimeoutError
