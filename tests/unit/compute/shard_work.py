"""Work that the tests give to executors, and how they look at what came of it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from luthier.compute.shards import Facts, Task
from luthier.errors import UserError


@dataclass(frozen=True)
class Write:
    """Write two small files per shard and note in a log, outside the store, who began what. The first takes no time."""

    log: Path
    seconds: float = 0

    def __call__(self, shard: int, folder: Path) -> Facts:
        append(self.log, f"{shard} {os.getpid()}")
        (folder / "squares.txt").write_text(" ".join(str(number * number) for number in range(shard * 50)))
        time.sleep(self.seconds if shard else 0)
        (folder / "name.txt").write_text(f"shard {shard}")
        return {"rows": shard * 50, "name": f"shard {shard}"}


@dataclass(frozen=True)
class DieOnce:
    """Like `Write`, but whoever gets `shard` while `armed` is there is killed as the kernel kills."""

    write: Write
    shard: int
    armed: Path

    def __call__(self, shard: int, folder: Path) -> Facts:
        if shard == self.shard and self.armed.exists():
            (folder / "half.txt").write_text("half of")
            os.kill(os.getpid(), signal.SIGKILL)
        return self.write(shard, folder)


@dataclass(frozen=True)
class Refuse:
    """Like `Write`, but one shard is invalid."""

    write: Write
    shard: int

    def __call__(self, shard: int, folder: Path) -> Facts:
        if shard == self.shard:
            raise UserError(f"row {shard}: cannot be read")
        return self.write(shard, folder)


def append(log: Path, line: str) -> None:
    """One line, whole even if several processes write."""
    with log.open("ab", buffering=0) as stream:
        stream.write(line.encode() + b"\n")


def tasks(count: int) -> list[Task[int]]:
    return [Task(f"key-{number}", number) for number in range(count)]


def begun(log: Path) -> list[int]:
    """Numbers of the shards that were begun, in order."""
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def workers(log: Path) -> set[int]:
    """Processes that worked."""
    return {int(line.split()[1]) for line in log.read_text().splitlines()}


def bytes_of(store: Path) -> dict[str, bytes]:
    """Every file of a store, left-overs included."""
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
