"""Archives as streams: members one after another, nothing written under a member's name.

A member that is a link, a device, or leads out of its folder is refused and named; so is one that grows more than
100-fold once it is past 10 MB. How many members and bytes there may be in all is counted by who receives them.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from luthier.collect.reading import Source, UnreadableError

MOST_RATIO = 100
RATIO_COUNTS_FROM = 10 << 20
MOST_NAME_BYTES = 1_000
BLOCK = 1 << 18
TAR_MAGIC = slice(257, 262)
OPENERS: Mapping[str, Callable[[Any], Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
PACKED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".tgz", ".tbz2", ".txz"})
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)
"""What the standard library raises for archives that are broken, encrypted or packed in a way it does not know."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive."""

    name: str
    blocks: Iterator[bytes]
    """Its bytes; raises UnreadableError when they end early or are too many. To be used up before the next member."""
    refused: str = ""
    """Why it is not unpacked; then there are no blocks."""


def members(source: Source, kind: str) -> Iterator[Member]:
    """The members of an archive in its own order, folders left out. Raises UnreadableError where the archive breaks."""
    try:
        if kind == "zip":
            yield from _zip_members(source)
        elif kind == "tar":
            with source.path.open("rb") as raw:
                yield from _tar_members(raw, raw)
        else:
            yield from _packed_members(source, kind)
    except DAMAGE as error:
        raise UnreadableError(f"damaged archive: {_first_line(error)}") from None


def refusal(name: str) -> str:
    """Why a member of this name is refused, empty if it is not."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if "\0" in name or not name.strip():
        return "a name that no file can have"
    if pure.is_absolute() or name[1:2] == ":":
        return "an absolute name"
    if ".." in pure.parts:
        return "a name that leads out of the archive"
    return "a name over 1,000 bytes" if len(name.encode("utf-8", errors="replace")) > MOST_NAME_BYTES else ""


def _zip_members(source: Source) -> Iterator[Member]:
    with zipfile.ZipFile(source.path) as archive:
        for info in archive.infolist():
            # The library cuts a name at NUL; the name as it was written tells.
            name = info.orig_filename
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            reason = refusal(name)
            if info.flag_bits & 1:
                reason = "encrypted"
            elif stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
                reason = "a link" if stat.S_ISLNK(mode) else "not a regular file"
            yield Member(name, iter(()) if reason else _unzip(archive, info), reason)


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as stream:
            size = 0
            while block := stream.read(BLOCK):
                size += len(block)
                _check_ratio(size, packed=info.compress_size)
                yield block
    except (*DAMAGE, NotImplementedError) as error:
        raise UnreadableError(f"damaged member: {_first_line(error)}") from None


def _packed_members(source: Source, kind: str) -> Iterator[Member]:
    with source.path.open("rb") as raw, _unpacking(raw, kind) as stream:
        head, name = stream.read(512), _unpacked_name(source)
        # Without files a TAR is nothing but zeros.
        is_tar = head[TAR_MAGIC] == b"ustar" or (name.endswith(".tar") and not any(head))
    with source.path.open("rb") as raw, _unpacking(raw, kind) as stream:
        if is_tar:
            yield from _tar_members(stream, raw)
        else:
            yield Member(name, _unpack(stream, raw))


def _unpacking(raw: BinaryIO, kind: str) -> BinaryIO:
    return cast(BinaryIO, OPENERS[kind](raw))


def _unpacked_name(source: Source) -> str:
    pure = PurePosixPath(source.name)
    suffix = {".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar"}.get(pure.suffix.lower(), "")
    return f"{pure.stem if pure.suffix.lower() in PACKED_SUFFIXES else pure.name}{suffix}"


def _unpack(stream: BinaryIO, raw: BinaryIO) -> Iterator[bytes]:
    size = 0
    try:
        while block := stream.read(BLOCK):
            size += len(block)
            _check_ratio(size, packed=raw.tell())
            yield block
    except DAMAGE as error:
        raise UnreadableError(f"damaged archive: {_first_line(error)}") from None


def _tar_members(stream: BinaryIO, raw: BinaryIO) -> Iterator[Member]:
    # "r|" reads forward only: a header can point nowhere, and skipping a bomb costs no more than reading it.
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            if info.isdir():
                continue
            reason = refusal(info.name)
            if not info.isreg():
                reason = "a link" if info.issym() or info.islnk() else "not a regular file"
            packed_before = raw.tell()
            yield Member(info.name, iter(()) if reason else _untar(archive, info, raw, packed_before), reason)


def _untar(archive: tarfile.TarFile, info: tarfile.TarInfo, raw: BinaryIO, packed_before: int) -> Iterator[bytes]:
    size = 0
    try:
        stream = archive.extractfile(info)
        while stream is not None and (block := stream.read(BLOCK)):
            size += len(block)
            _check_ratio(size, packed=max(raw.tell() - packed_before, BLOCK))
            yield block
    except DAMAGE as error:
        raise UnreadableError(f"damaged member: {_first_line(error)}") from None
    if size < info.size:
        raise UnreadableError(f"damaged member: {size:,} of {info.size:,} bytes")


def _check_ratio(size: int, *, packed: int) -> None:
    if size > RATIO_COUNTS_FROM and size > MOST_RATIO * max(packed, 1):
        raise UnreadableError(f"grows more than {MOST_RATIO}-fold when unpacked (an archive bomb?)")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
