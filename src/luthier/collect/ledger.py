"""The account of a collection: one row per file, one row per refused row."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from luthier.artifacts.tables import read_table, write_table
from luthier.collect.kinds import CONTAINERS
from luthier.records import Reject

Outcome = Literal["ok", "partial", "scanned", "empty", "failed", "unsupported", "copy", "skipped"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "partial", "scanned", "empty", "failed", "unsupported", "copy", "skipped")
LOST: frozenset[Outcome] = frozenset({"scanned", "failed", "unsupported"})
NOT_COUNTED: frozenset[Outcome] = frozenset({"copy", "skipped"})
COUNTS = (
    *("rows", "rejects", "left_out", "documents", "members", "characters"),
    *("pages_read", "pages_scanned", "pages_plain", "tables"),
)
FILE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        *[(name, pa.string()) for name in ("sha256", "type", "reader", "outcome", "reason")],
        *[(name, pa.int64()) for name in COUNTS],
        ("coverage", pa.float64()),
    ]
)
REJECT_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("row", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one file."""

    path: str
    size: int
    """Bytes."""
    sha256: str
    type: str
    reader: str
    outcome: Outcome
    reason: str = ""
    rows: int = 0
    """Rows read: examples, rejects and what the sample leaves out. 0 for prose."""
    rejects: int = 0
    left_out: int = 0
    """Rows or documents outside of the sample that was asked for."""
    documents: int = 0
    """Documents of it that are kept."""
    members: int = 0
    """Files in an archive, attachments of a mail; each has a row of its own."""
    characters: int = 0
    """Characters of text that became examples and documents."""
    pages_read: int = 0
    pages_scanned: int = 0
    """Pages without a usable text layer: not read."""
    pages_plain: int = 0
    """Pages kept as plain text, because their structure would have lost words."""
    tables: int = 0
    coverage: float | None = None
    """Lowest share of a page's words that the structured reading holds, 0 to 1; None if nothing was measured."""

    @property
    def is_lost(self) -> bool:
        """True if its bytes could not be used."""
        return self.outcome in LOST

    @property
    def bytes_counted(self) -> int:
        """Bytes to be read: none of copies, of skipped files, and of archives, whose members stand for them."""
        is_archive = self.type in CONTAINERS and not self.is_lost
        return 0 if self.outcome in NOT_COUNTED or is_archive else self.size

    @property
    def bytes_lost(self) -> int:
        """Bytes that were not: those of its scanned pages, if only some are scanned, by their share."""
        if self.is_lost:
            return self.bytes_counted
        pages = self.pages_read + self.pages_scanned + self.pages_plain
        return self.bytes_counted * self.pages_scanned // pages if pages else 0


def write_files(path: Path, entries: Iterable[Entry]) -> int:
    """Write the file ledger; returns the number of files."""
    return write_table(path, map(asdict, entries), schema=FILE_SCHEMA)


def read_files(path: Path) -> list[Entry]:
    """Read what `write_files` wrote, in order."""
    return [Entry(**row) for row in read_table(path)]


def write_rejects(path: Path, rejects: Iterable[Reject]) -> int:
    """Write refused rows; returns how many there were."""
    return write_table(path, map(asdict, rejects), schema=REJECT_SCHEMA)


def read_rejects(path: Path) -> list[Reject]:
    """Read what `write_rejects` wrote, in order."""
    return [Reject(**row) for row in read_table(path)]
