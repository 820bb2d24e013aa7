"""What near-duplicates are found by, on disk: memory stays small however many texts there are."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luthier.prepare.dedup.shingles import Hashes, Offsets
from luthier.prepare.dedup.signature import BANDS, Signed


class SignatureStore:
    """Signatures in nameless files of a folder; about 40 bytes of memory per text."""

    def __init__(self, files: list[int]) -> None:
        self._shingles, *self._bands = files
        self._sizes: list[Offsets] = []
        self._prints: list[Hashes] = []
        self._codes: list[Hashes] = []
        self._short: list[npt.NDArray[np.bool_]] = []

    def add(self, signed: Signed) -> None:
        """Append the next texts."""
        _write(self._shingles, signed.shingles.values)
        for file, keys in zip(self._bands, signed.keys, strict=True):
            _write(file, keys)
        self._sizes.append(np.diff(signed.shingles.starts))
        self._prints.append(signed.prints)
        self._codes.append(signed.codes)
        self._short.append(signed.short)

    def close(self) -> "StoredSignatures":
        """All that was added, for reading."""
        return StoredSignatures(
            files=(self._shingles, *self._bands),
            starts=np.concatenate(([0], np.cumsum(np.concatenate(self._sizes or [np.zeros(0, np.int64)])))),
            prints=np.concatenate(self._prints or [np.zeros(0, np.uint64)]),
            codes=np.concatenate(self._codes or [np.zeros(0, np.uint64)]),
            short=np.concatenate(self._short or [np.zeros(0, np.bool_)]),
        )


class StoredSignatures:
    """Signatures of all texts, by number of the text."""

    def __init__(
        self,
        *,
        files: tuple[int, ...],
        starts: Offsets,
        prints: Hashes,
        codes: Hashes,
        short: npt.NDArray[np.bool_],
    ) -> None:
        self._shingles, *self._bands = files
        self._starts = starts
        self.prints, self.codes, self.short = prints, codes, short

    def __len__(self) -> int:
        return len(self.prints)

    @property
    def sizes(self) -> Offsets:
        """Number of distinct shingles of each text."""
        return np.diff(self._starts)

    def shingles(self, text: int) -> Hashes:
        """Distinct shingles of one text, ascending."""
        start, end = int(self._starts[text]), int(self._starts[text + 1])
        return np.frombuffer(os.pread(self._shingles, 8 * (end - start), 8 * start), dtype=np.uint64)

    def bands(self) -> Iterator[Hashes]:
        """Band after band, the key of every text."""
        for file in self._bands:
            yield np.frombuffer(_read(file, 8 * len(self)), dtype=np.uint64)


@contextmanager
def open_store(spill: Path | None) -> Iterator[SignatureStore]:
    """A store in `spill` (None: the system's folder for temporary files), gone when the context ends."""
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=spill, buffering=0)) for _ in range(BANDS + 1)]
        yield SignatureStore([file.fileno() for file in files])


def _write(file: int, values: Hashes) -> None:
    left = memoryview(values.tobytes())
    while left:
        left = left[os.write(file, left) :]


def _read(file: int, size: int) -> bytearray:
    whole = bytearray(size)
    done = 0
    while done < size:
        done += os.preadv(file, [memoryview(whole)[done:]], done)
    return whole
