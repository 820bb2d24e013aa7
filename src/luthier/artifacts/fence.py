"""Who may write into a run folder: its latest holder, and nobody before.

A holder that was stopped, cut off or believed dead may wake after another took over. So every durable write checks the
fence last thing before it shows, and whoever takes over raises the fence before it sweeps away what is unfinished: of
the two, one always sees the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from luthier.errors import ConflictError

FENCE = "fence"


@dataclass(frozen=True, slots=True)
class Holder:
    """One taking of a run folder."""

    folder: Path
    token: int
    """One more than that of the holder before."""
    mark: str
    """Random: tells two holders apart where the folder was removed and the count began anew."""

    def words(self) -> str:
        """What stands in the fence file."""
        return f"{self.token} {self.mark}"


_held: ContextVar[tuple[Holder, ...]] = ContextVar("held", default=())


def holders() -> tuple[Holder, ...]:
    """The run folders that this context holds, innermost last."""
    return _held.get()


@contextmanager
def holding(holder: Holder) -> Iterator[None]:
    """Be the holder of a folder within this context."""
    before = _held.set((*_held.get(), holder))
    try:
        yield
    finally:
        _held.reset(before)


def check_fence() -> None:
    """ConflictError if another has taken a folder that this context holds, or removed it."""
    for holder in _held.get():
        if _read(holder.folder) != holder.words():
            raise ConflictError(
                f"{holder.folder}: a later process has taken this run over, or the folder was removed; this process "
                "stops and writes nothing more."
            )


def own_token() -> int:
    """The token of the innermost folder that is held; 0 outside."""
    return _held.get()[-1].token if _held.get() else 0


def latest_token(folder: Path) -> int:
    """The token of a folder's latest holder; 0 if there never was one, or its file is damaged."""
    first = _read(folder).partition(" ")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


def _read(folder: Path) -> str:
    try:
        return (folder / FENCE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
