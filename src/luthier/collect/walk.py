"""Folders to files, in an order that does not depend on the machine."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luthier.artifacts.lock import LOCK
from luthier.artifacts.manifest import FORMAT, MANIFEST
from luthier.collect.sampling import Sample, split_sample
from luthier.errors import NotFoundError, UserError

PROJECT_FILE = re.compile(rb"(?ms)(?=.*^objective:)(?=.*^collect:)")
HEAD_BYTES = 65_536
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
LEADS_OUT, LEADS_NOWHERE = "link that leads out of the folder", "link that leads nowhere"
SPECIAL = "not a regular file"
REFUSED = frozenset({LEADS_OUT, LEADS_NOWHERE, SPECIAL})
"""Reasons why a thing that should be read is not; for any other it is left out on purpose."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that lies in a source. `skipped` says why it is not looked into, None if it is."""

    name: str
    """Relative to its source, with '/'; begins with the source's own name where there are several sources."""
    path: Path
    skipped: str | None = None
    is_refused: bool = False
    """True if it was to be read and cannot be, False if it is left out on purpose."""
    sample: Sample | None = None
    """How many of the file's rows or documents are kept, None for all."""
    pool: Sample | None = None
    """How many files of its source are kept, None for all."""
    source: int = 0
    """Which source it lies in, from 0."""


def find_files(sources: Sequence[Path]) -> list[Found]:
    """List the files of all sources, sorted by name within a source. NotFoundError for a source that is missing.

    Hidden files are listed as skipped; links that lead out, special files and folders that cannot be opened as refused.
    Luthier's own folders (runs and artifacts) are not input and not listed. `path#500` keeps 500 rows or documents of
    a file, 500 files of a folder.
    """
    if not sources:
        raise UserError("collect.sources is empty. Name at least one file or folder.")
    found: list[Found] = []
    parts = [split_sample(source) for source in sources]
    labels = _labels([source for source, _ in parts])
    for number, ((source, sample), label) in enumerate(zip(parts, labels, strict=True)):
        if source.is_dir():
            prefix = f"{label}/" if len(sources) > 1 else ""
            inside = sorted(_walk(source, root=source.resolve(), prefix=prefix), key=lambda entry: entry.name)
            found += [replace(entry, pool=sample, source=number) for entry in inside]
        elif source.exists():
            found.append(Found(name=label, path=source.resolve(), sample=sample, source=number))
        else:
            raise NotFoundError(f"{source}: no such file or folder. Check collect.sources.")
    return found


def _labels(sources: Sequence[Path]) -> list[str]:
    labels: list[str] = []
    for source in sources:
        wanted = _readable(source.resolve().name)
        label, repeat = wanted, 2
        while label in labels:
            label, repeat = f"{wanted} ({repeat})", repeat + 1
        labels.append(label)
    return labels


def _walk(folder: Path, *, root: Path, prefix: str) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(name=prefix, path=folder, skipped=f"cannot be opened ({error.strerror})", is_refused=True)
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        path, name = folder / entry.name, f"{prefix}{_readable(entry.name)}"
        reason = _skip_reason(path, entry, root=root)
        if entry.is_dir(follow_symlinks=False) and not reason:
            if not _is_our_own(path):
                # "a.zip!/x" is the file x in a.zip; what lies in a folder "a.zip!" beside it has another name.
                is_taken = entry.name.endswith("!") and entry.name[:-1] in names
                yield from _walk(path, root=root, prefix=f"{name}//" if is_taken else f"{name}/")
        else:
            # A link inside the folder is followed here, once; whoever opens the file follows none.
            place = path.resolve() if entry.is_symlink() and not reason else path
            yield Found(name=name, path=place, skipped=reason, is_refused=reason in REFUSED)


def without_controls(name: str) -> str:
    """A name that does nothing to a terminal: line breaks and other control characters as escapes."""
    return name.translate(CONTROLS)


def _readable(name: str) -> str:
    """A file's name as text, no two alike: a backslash is doubled, and bytes that are no UTF-8 are escapes too."""
    plain = os.fsencode(name).replace(b"\\", b"\\\\")
    return without_controls(plain.decode("utf-8", errors="backslashreplace"))


def _skip_reason(path: Path, entry: os.DirEntry[str], *, root: Path) -> str | None:
    if entry.name.startswith("."):
        return "hidden"
    if entry.name.startswith("~$"):
        return "lock file of an office program"
    if entry.is_symlink():
        return _link_reason(path, root=root)
    mode = entry.stat(follow_symlinks=False).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return SPECIAL
    if entry.name.endswith((".yaml", ".yml")) and PROJECT_FILE.search(_head(path)):
        return "a Luthier project file"
    return None


def _link_reason(path: Path, *, root: Path) -> str | None:
    target = path.resolve()
    if not target.exists():
        return LEADS_NOWHERE
    if not target.is_relative_to(root):
        return LEADS_OUT
    return "link to a folder that is read anyway" if target.is_dir() else None


def _is_our_own(folder: Path) -> bool:
    try:
        places = [folder / MANIFEST, *folder.glob(f"*/{MANIFEST}")]
        return (folder / LOCK).exists() or any(place.is_file() and FORMAT.encode() in _head(place) for place in places)
    except OSError:
        return False  # whoever walks into it will say what is wrong


def _head(path: Path) -> bytes:
    """The first bytes of a file, none of one that cannot be opened."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""
