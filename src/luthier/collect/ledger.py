"""The account of a collection: one row per file, one row per refused row."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from luthier.artifacts.tables import read_table, write_table
from luthier.records import Reject

Outcome = Literal["ok", "partial", "empty", "failed", "unsupported", "copy", "skipped"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "partial", "empty", "failed", "unsupported", "copy", "skipped")
LOST: frozenset[Outcome] = frozenset({"failed", "unsupported"})
NOT_COUNTED: frozenset[Outcome] = frozenset({"copy", "skipped"})
FILE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        *[(name, pa.string()) for name in ("sha256", "type", "reader", "outcome", "reason")],
        *[(name, pa.int64()) for name in ("rows", "rejects", "characters")],
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
    """Rows read: examples and rejects. 0 for prose."""
    rejects: int = 0
    characters: int = 0
    """Characters of text that became examples."""

    @property
    def is_lost(self) -> bool:
        """True if its bytes could not be used."""
        return self.outcome in LOST


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
