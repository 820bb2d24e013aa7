"""Write so that a crash at any moment leaves the old state or the new one, never half of one."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luthier.errors import LuthierError, UserError

ASIDE = ".building-"


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content in one step, durable before this returns."""
    aside = path.with_name(f"{ASIDE}{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with aside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line, durable before this returns. A torn last line from an earlier crash is ended first."""
    with path.open("ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(line + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file and folder below (and including) `folder` durable."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        elif path.is_dir():
            sync_folder(path)
    sync_folder(folder)


@contextmanager
def aside_of(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`; the caller fills it and renames it. Left-overs are removed either way."""
    with explain_disk(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        sweep(out.parent, prefix=f"{ASIDE}{out.name}-")
    with own_aside(out) as aside:
        yield aside


@contextmanager
def own_aside(out: Path) -> Iterator[Path]:
    """`aside_of` for one of several who may write the same: what others left or still write is let alone."""
    with explain_disk(out):
        aside = out.parent / f"{ASIDE}{out.name}-{uuid.uuid4().hex[:8]}"
        aside.mkdir()
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def sweep(folder: Path, *, prefix: str = ASIDE) -> None:
    """Remove what a killed writer left behind in `folder`."""
    for path in folder.glob(f"{prefix}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def explain_disk(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into words with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise LuthierError(
                f"{path}: the disk is full. What was finished is kept; free some space and run the same command again."
            ) from error
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise UserError(f"{error.filename or path}: cannot write here ({error.strerror}). Choose --out.") from error
        raise
