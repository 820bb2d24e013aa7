"""How much memory there is, as the kernel and the control group that this process runs in tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    total: int
    available: int
    """What can still be taken without swapping."""


def memory(root: Path = Path("/")) -> Memory | None:
    """Memory of the machine, or of the control group (version 2) if that allows less; None where nobody tells."""
    meminfo = root / "proc/meminfo"
    if not meminfo.is_file():
        return None
    sizes = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    total, available = (int(sizes[key].split()[0]) << 10 for key in ("MemTotal", "MemAvailable"))
    for limit, used in _groups(root):
        total, available = min(total, limit), min(available, max(0, limit - used))
    return Memory(total, available)


def resident(root: Path = Path("/")) -> int:
    """Bytes of memory that this process holds now; 0 where nobody tells."""
    return _told("VmRSS:", root)


def most_resident(root: Path = Path("/")) -> int:
    """The most bytes that this program has held so far; 0 where nobody tells.

    `getrusage` would count the process that started it too, whose memory is its own until the program begins.
    """
    return _told("VmHWM:", root)


def _told(field: str, root: Path) -> int:
    status = root / "proc/self/status"
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(field))


def _groups(root: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of the control group and all above it that have a limit."""
    told = root / "proc/self/cgroup"
    lines = told.read_text().splitlines() if told.is_file() else []
    name = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if name is None:
        return
    top = root / "sys/fs/cgroup"
    for folder in (top / name, *(top / name).parents):
        if not folder.is_relative_to(top):
            return
        limit, used = folder / "memory.max", folder / "memory.current"
        if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
            yield int(limit.read_text()), int(used.read_text()) - _cached(folder / "memory.stat")


def _cached(stat: Path) -> int:
    """Bytes of files that the kernel gives up when memory is asked for."""
    lines = stat.read_text().splitlines() if stat.is_file() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
