"""Power cuts: record what a process does to a folder, and build every state that a crash may leave of it.

What a POSIX file system promises is little. The content of a file is safe once the file was fsynced after the write; a
name in a folder (made, renamed, removed) is safe once that folder was fsynced after the change. Whatever is not safe
may be there or not, each change for itself, in any order; a file may hold what it held, what was written, half of it,
or zeros in its place. A rename is one step.
"""

import builtins
import io
import itertools
import math
import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Tree = dict[str, bytes | None]
"""Path -> content; None for a folder."""
Place = tuple[int, str]
"""Number of a folder, and a name in it."""
ROOT = 0
CALLS = ("open", "fsync", "rename", "replace", "mkdir", "unlink", "remove", "rmdir")
FULL = 6
"""Open changes of names of which every subset is tried; of more, those in order and a sample."""
SAMPLE = 64
"""States tried of more; a protocol that syncs what it writes never leaves so many open."""


class Op(NamedTuple):
    """One thing that happened to the file or folder of this number."""

    kind: str
    """data, name, sync or promise."""
    number: int
    data: bytes | None = None
    source: Place | None = None
    """The name that goes."""
    target: Place | None = None
    """The name that comes."""


class Seen(NamedTuple):
    """One entry of a folder at one moment."""

    folder: int
    """Its inode; 0: the root."""
    name: str
    data: bytes | None


@dataclass(slots=True)
class Recorder:
    """What happens below a folder, seen by looking at it around every call that may change it."""

    root: Path
    ops: list[Op] = field(default_factory=list)
    _seen: dict[int, Seen] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=lambda: {ROOT: ROOT})
    """Inode -> a number of its own; inodes are used again."""
    _next: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Watch this process. What lies there already is taken as safe."""
        self._catch_up()
        self.ops += [Op("sync", number) for number in self._numbers.values()]
        owners = [(os, name) for name in CALLS] + [(io, "open"), (builtins, "open")]
        kept = [(owner, name, getattr(owner, name)) for owner, name in owners]
        for owner, name, function in kept:
            setattr(owner, name, self._watched(function, sync=name == "fsync"))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)
            self._catch_up()

    def promise(self, number: int) -> None:
        """From here on, what was done before must last."""
        self._catch_up()
        self.ops.append(Op("promise", number))

    def _watched(self, function: Callable[..., Any], *, sync: bool) -> Callable[..., Any]:
        def watched(*arguments: Any, **settings: Any) -> Any:
            self._catch_up()
            found = function(*arguments, **settings)
            self._catch_up()
            if sync:
                inode = os.fstat(arguments[0]).st_ino
                inode = ROOT if inode == self.root.stat().st_ino else inode
                self.ops += [Op("sync", self._numbers[inode])] if inode in self._numbers else []
            return found

        return watched

    def _catch_up(self) -> None:
        """Note what changed since the last look."""
        before, now = self._seen, dict(_look(str(self.root), ROOT))
        taken = {(seen.folder, seen.name) for seen in now.values()}
        gone = {inode: seen for inode, seen in before.items() if inode not in now}
        for inode, seen in gone.items():
            if (seen.folder, seen.name) not in taken:
                self.ops.append(Op("name", self._numbers[inode], source=self._place(seen)))
        for inode, seen in now.items():
            if inode not in before:
                self._numbers[inode] = next(self._next)
                self.ops.append(
                    Op("name", self._numbers[inode], data=None if seen.data is None else b"", target=self._place(seen))
                )
        for inode, seen in now.items():
            was = before.get(inode, Seen(0, "", b""))
            if inode in before and was[:2] != seen[:2]:
                places = {"source": self._place(was), "target": self._place(seen)}
                self.ops.append(Op("name", self._numbers[inode], **places))
            if seen.data is not None and seen.data != was.data:
                self.ops.append(Op("data", self._numbers[inode], data=seen.data))
        for inode in gone:
            del self._numbers[inode]
        self._seen = now

    def _place(self, seen: Seen) -> Place:
        return self._numbers[seen.folder], seen.name


_OPEN = os.open


def _look(folder: str, inode: int) -> Iterator[tuple[int, Seen]]:
    """Everything below a folder, folders before what they hold."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        number = entry.inode()
        if entry.is_dir():
            yield number, Seen(inode, entry.name, None)
            yield from _look(entry.path, number)
        else:
            descriptor = _OPEN(entry.path, os.O_RDONLY)
            yield number, Seen(inode, entry.name, os.pread(descriptor, os.fstat(descriptor).st_size, 0))
            os.close(descriptor)


@dataclass(slots=True)
class Disk:
    """What is safe, and what is not."""

    names: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    """Folder -> name -> number, safe."""
    data: dict[int, bytes] = field(default_factory=dict)
    open_names: list[Op] = field(default_factory=list)
    versions: dict[int, list[bytes]] = field(default_factory=dict)
    """Contents of a file that are not safe yet, oldest first."""

    def do(self, op: Op) -> None:
        """Take one operation in."""
        if op.kind == "name":
            self.open_names.append(op)
            if op.source is None and op.data is None:
                self.names[op.number] = {}
            elif op.source is None:
                self.data[op.number] = b""
        elif op.kind == "data":
            self.versions.setdefault(op.number, []).append(op.data or b"")
        elif op.kind == "sync" and op.number in self.names:
            safe = [each for each in self.open_names if op.number in _folders(each)]
            removed = {each.number for each in safe if each.target is None}
            self.open_names = [
                each for each in self.open_names if op.number not in _folders(each) and not _folders(each) <= removed
            ]
            _apply(self.names, safe)
        elif op.kind == "sync" and op.number in self.versions:
            self.data[op.number] = self.versions.pop(op.number)[-1]

    def states(self, dice: random.Random) -> Iterator[Tree]:
        """Every tree that a crash may leave now."""
        for chosen in _subsets(self.open_names, dice):
            names = {folder: dict(held) for folder, held in self.names.items()}
            _apply(names, chosen)
            files: dict[str, int] = {}
            tree: Tree = {}
            _walk(names, ROOT, "", tree, files)
            unsafe = [path for path, number in files.items() if number in self.versions]
            for contents in _choices([self._contents(files[path]) for path in unsafe], dice):
                yield {
                    **tree,
                    **{path: self.data[number] for path, number in files.items()},
                    **dict(zip(unsafe, contents, strict=True)),
                }

    def _contents(self, number: int) -> list[bytes]:
        safe, versions = self.data[number], self.versions[number]
        last = versions[-1]
        begun = last[: len(safe)] if last.startswith(safe) else b""
        torn = last[: (len(begun) + len(last)) // 2]
        return [*dict.fromkeys([safe, *versions, torn, begun + bytes(len(last) - len(begun))])]


def _folders(op: Op) -> set[int]:
    return {place[0] for place in (op.source, op.target) if place}


def _apply(names: dict[int, dict[str, int]], ops: Iterable[Op]) -> None:
    for op in ops:
        if op.source and names[op.source[0]].get(op.source[1]) == op.number:
            del names[op.source[0]][op.source[1]]
        if op.target:
            names[op.target[0]][op.target[1]] = op.number


def _walk(names: dict[int, dict[str, int]], folder: int, at: str, tree: Tree, files: dict[str, int]) -> None:
    for name, number in names[folder].items():
        if number in names:
            tree[at + name] = None
            _walk(names, number, f"{at}{name}/", tree, files)
        else:
            files[at + name] = number


def _subsets(ops: list[Op], dice: random.Random) -> Iterator[list[Op]]:
    if len(ops) <= FULL:
        for size in range(len(ops) + 1):
            yield from map(list, itertools.combinations(ops, size))
        return
    yield from (ops[:end] for end in range(len(ops) + 1))
    for _ in range(SAMPLE):
        yield [op for op in ops if dice.random() < 0.5]


def _choices(contents: list[list[bytes]], dice: random.Random) -> Iterator[tuple[bytes, ...]]:
    if math.prod(map(len, contents)) <= SAMPLE:
        yield from itertools.product(*contents)
        return
    for _ in range(SAMPLE):
        yield tuple(map(dice.choice, contents))


def crash_states(ops: list[Op], *, seed: int = 0) -> list[tuple[Tree, int]]:
    """Every distinct state after every operation, with the last promise that it must keep."""
    disk, dice, promise = Disk(), random.Random(seed), 0
    found: dict[Any, tuple[Tree, int]] = {}
    for op in ops:
        if op.kind == "promise":
            promise = op.number
        disk.do(op)
        for tree in disk.states(dice):
            found[tuple(sorted(tree.items()))] = (tree, promise)
    return list(found.values())


def lay_out(tree: Tree, folder: Path) -> None:
    """Write a state to a folder."""
    folder.mkdir(parents=True)
    for path, data in sorted(tree.items()):
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)
