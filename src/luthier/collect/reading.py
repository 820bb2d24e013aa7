"""What a reader is given, what it gives back, and how it says that a file cannot be read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from luthier.records import Document, Reject, Row

MOST_ROW_CHARACTERS = 4 << 20
SHOWN_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Source:
    """One file: where it lies, what the ledger calls it, and how its text is encoded (None for binary types)."""

    path: Path
    """Where the bytes lie: for a member of an archive no name that says anything."""
    name: str
    encoding: str | None = None

    @property
    def stem(self) -> str:
        """The file's own name without folders and extension: the title of last resort."""
        return PurePosixPath(self.name).stem


class UnreadableError(Exception):
    """The file is not what it claims to be; its ledger row becomes `failed` with this text as the reason."""


class SkippedError(UnreadableError):
    """The file is readable and not worth it (generated, minified, vendored); its ledger row becomes `skipped`."""


@contextmanager
def unreadable_on(*kinds: type[Exception], problem: str) -> Iterator[None]:
    """Turn a library's complaints into an UnreadableError that begins with `problem`."""
    try:
        yield
    except kinds as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnreadableError(f"{problem}: {first_line}") from error


RowReader = Callable[[Source], Iterator[Row | Reject]]
DocumentReader = Callable[[Source], Iterator[Document]]
AttachmentReader = Callable[[Source], Iterator[tuple[str, bytes]]]
"""Name and content of every file that a mail carries."""


def reject(file: str, line: int, reason: str, row: str, *, offset: int | None = None) -> Reject:
    """A bad row, shown in at most 2,000 characters; `offset` is its first byte in the file, where that is known."""
    return Reject(file=file, line=line, reason=reason, row=row.rstrip("\r\n")[:SHOWN_CHARACTERS], offset=offset)


def column_names(cells: list[str]) -> list[str]:
    """Names for the cells of a header: blanks are numbered, repeats get their number in brackets."""
    names: dict[str, None] = {}
    repeats: dict[str, int] = {}
    for position, cell in enumerate(cells, start=1):
        wanted = cell.strip() or f"column {position}"
        name = wanted
        while name in names:
            repeats[wanted] = repeats.get(wanted, 1) + 1
            name = f"{wanted} ({repeats[wanted]})"
        names[name] = None
    return list(names)
