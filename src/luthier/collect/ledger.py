"""The account of a collection: one row per file, one row per refused row."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa

from luthier.artifacts.tables import GROUP_ROWS, read_table, table_writer, write_table
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
SHOWN, MOST_KINDS, OTHER_KINDS = 5, 50, "other"
"""Refused rows of each kind that are shown, and kinds that are told apart."""
GROUP_CHARACTERS = 4 << 20
"""Characters of refused rows that are held before they are written."""
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


class Refused:
    """Refused rows, written while they come: a context manager. Of each kind the first five are kept to be shown."""

    def __init__(self, path: Path) -> None:
        """Create the table at `path`."""
        self.count = 0
        self._kinds: dict[str, list[Reject]] = {}
        self._sizes: Counter[str] = Counter()
        self._waiting: list[Reject] = []
        self._characters = 0
        self._writer = table_writer(path, REJECT_SCHEMA)

    def add(self, bad: Reject) -> None:
        """Add one row."""
        self.count += 1
        kind = re.sub(r"\d+", "N", bad.reason)
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            kind = OTHER_KINDS
        shown = self._kinds.setdefault(kind, [])
        self._sizes[kind] += 1
        if len(shown) < SHOWN:
            shown.append(bad)
        self._waiting.append(bad)
        self._characters += len(bad.row)
        if len(self._waiting) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def listed(self) -> str:
        """Five rows of each kind, one per line."""
        lines = []
        for kind, shown in self._kinds.items():
            lines += [f"  {bad}" for bad in shown]
            if self._sizes[kind] > len(shown):
                lines.append(f"  ... and {self._sizes[kind] - len(shown):,} more like these")
        return "\n".join(lines)

    def _flush(self) -> None:
        rows = [asdict(bad) for bad in self._waiting]
        self._writer.write_table(pa.Table.from_pylist(rows, schema=REJECT_SCHEMA))
        self._waiting, self._characters = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._waiting:
            self._flush()
        self._writer.close()


def read_rejects(path: Path) -> list[Reject]:
    """Read what `Refused` wrote, in order."""
    return [Reject(**row) for row in read_table(path)]
