"""Write so that a crash at any moment leaves the old state or the new one, never half of one."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from luthier.artifacts.fence import check_fence
from luthier.errors import DiskFullError, LuthierError, UserError

ASIDE = ".building-"
CHECKPOINT_ASIDE = ".tmp-"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durable before this returns."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content in one step, durable before this returns; ConflictError if the run was taken over."""
    aside = path.with_name(f"{ASIDE}{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with aside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        check_fence()
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line, durable before this returns. A torn last line from an earlier crash is ended first.

    ConflictError if the run was taken over.
    """
    with path.open("ab+") as stream:
        check_fence()
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


def publish(aside: Path, home: Path) -> None:
    """Give what is complete its name, durable before this returns; ConflictError if the run was taken over."""
    check_fence()
    aside.rename(home)
    sync_folder(home.parent)


@contextmanager
def aside_of(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`; the caller fills it and renames it. Left-overs are removed either way."""
    with explain_disk(out):
        make_folder(out.parent)
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
        _remove(path)


def sweep_tree(folder: Path) -> None:
    """Remove what earlier writers left unfinished anywhere below `folder`, and what those still alive are writing."""
    check_fence()
    for path in [path for path in folder.rglob(".*") if path.name.startswith((ASIDE, CHECKPOINT_ASIDE))]:
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):  # its writer was faster, or it lay in a folder that is gone
        if path.is_dir():
            # Gone in one step: its writer must not find half of it when it gives it its name.
            path = path.rename(path.with_name(f"{ASIDE}swept-{uuid.uuid4().hex[:8]}"))
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@contextmanager
def explain_disk(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into words with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOENT:
            check_fence()  # whoever took the run over has swept away what was being written
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(
                f"{path}: the disk is full. What was finished is kept; free some space and run the same command again."
            ) from error
        if error.errno == errno.EIO:
            raise LuthierError(
                f"{path}: the disk reports an error ({error.strerror}). What was finished is kept; see that the "
                "disk is sound, or copy the run folder to another one, and run the same command again."
            ) from error
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise UserError(f"{error.filename or path}: cannot write here ({error.strerror}). Choose --out.") from error
        raise
