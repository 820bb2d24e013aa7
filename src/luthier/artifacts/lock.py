"""One process per run folder, and a number that tells the past from the present."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.errors import ConflictError

LOCK = "run.lock"
FENCE = "fence"


@contextmanager
def run_lock(folder: Path) -> Iterator[int]:
    """Hold `folder` alone and yield a fencing token higher than any before; ConflictError if somebody holds it.

    The kernel releases the lock when the holder dies, however it dies.
    """
    with explain_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("a+b")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"{folder}: another process works on this run. Wait for it, or stop it.") from None
        token = read_fence(folder) + 1
        with explain_disk(folder):
            write_atomic(folder / FENCE, str(token).encode())
        try:
            yield token
        finally:
            os.fsync(stream.fileno())


def read_fence(folder: Path) -> int:
    """The token of the latest holder; 0 if there never was one."""
    path = folder / FENCE
    return int(path.read_text() or 0) if path.exists() else 0
