"""One process per run folder."""

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from luthier.artifacts.fence import FENCE, Holder, holders, holding, latest_token
from luthier.artifacts.storage import explain_disk, make_folder, sweep_tree, write_atomic
from luthier.errors import ConflictError, UserError

LOCK = "run.lock"


@contextmanager
def run_lock(folder: Path) -> Iterator[int]:
    """Hold `folder` alone and yield a fencing token higher than any before; ConflictError if somebody holds it.

    The kernel releases the lock when the holder dies, however it dies. Who holds a folder may take it again within.
    """
    folder = folder.resolve()
    for holder in holders():
        if holder.folder == folder:
            yield holder.token
            return
    with explain_disk(folder):
        make_folder(folder)
    with _locked(folder / LOCK):
        holder = Holder(folder, latest_token(folder) + 1, uuid.uuid4().hex)
        with explain_disk(folder):
            write_atomic(folder / FENCE, holder.words().encode())
        with holding(holder):
            sweep_tree(folder)
            yield holder.token


@contextmanager
def waiting_turn(path: Path) -> Iterator[None]:
    """Hold the lock of a file, made if need be, after whoever holds it now: for what several processes make at once."""
    with explain_disk(path):
        make_folder(path.parent)
        stream = path.open("ab")
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    while True:
        with explain_disk(path):
            stream = path.open("a+b")
        with stream:
            _lock(stream, path)
            if not _is_at(path, stream):
                continue  # removed or replaced between open and lock: that is another lock now
            yield
            return


def _lock(stream: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(
            f"{path.parent}: {_holder_in(stream)} works on this run. Wait for it, or stop it."
        ) from None
    except OSError as error:
        if error.errno in {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise UserError(f"{path}: this file system has no locks. Choose --out on another disk.") from None
        raise
    with explain_disk(path):
        stream.truncate(0)
        stream.write(str(os.getpid()).encode())
        stream.flush()


def _holder_in(stream: IO[bytes]) -> str:
    stream.seek(0)
    number = stream.read(20).decode("ascii", "replace")
    return f"process {number}" if number.isdigit() else "another process"


def _is_at(path: Path, stream: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
