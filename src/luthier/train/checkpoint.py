"""Checkpoints that survive kill -9, a full disk and a power cut.

Protocol: write everything under `.tmp-<step>-<id>/`, fsync each file, write the manifest with size and hash of each,
fsync the folder, look at the fence, rename to `step-<step>`, fsync the parent, append to `index.jsonl`. Rotation comes
last. It keeps the newest, what they need to end well (the best step, and the one to go back to when training diverges),
and every checkpoint with a file named `pinned` in it. What is damaged moves to `quarantine/`; it is never deleted.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from luthier.artifacts.canonical import canonical_json, sha256_of, sha256_of_file
from luthier.artifacts.fence import check_fence, own_token
from luthier.artifacts.storage import (
    CHECKPOINT_ASIDE,
    append_line,
    explain_disk,
    make_folder,
    publish,
    sync_folder,
    write_atomic,
)
from luthier.records import Listener, Tick

TENSORS = "state.safetensors"
HISTORY = "history.json"
MANIFEST = "manifest.json"
PINNED = "pinned"
INDEX = "index.jsonl"
WEIGHT = "weight."
"""What names of weights begin with, among the tensors of a checkpoint."""
TYPES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Names of element types in safetensors files."""
DAMAGE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}
"""What the operating system says of files that are damaged; anything else is its own trouble."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A committed state: tensors by name and the run's history."""

    step: int
    tensors: Mapping[str, Tensor]
    history: dict[str, Any]


class StoredWeights(Mapping[str, Tensor]):
    """The weights in a file of tensors, each read when it is asked for: pages of a mapped file count as memory, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with safe_open(path, framework="pt") as file:
            self._names: list[str] = [name for name in file.keys() if name.startswith(WEIGHT)]  # noqa: SIM118

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self._path, framework="pt") as file:
            weight: Tensor = file.get_tensor(name)
        return weight

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class CheckpointStore:
    """The checkpoints of one training run, written under the run lock that this context holds."""

    def __init__(self, folder: Path, *, key: str, keep: int, listener: Listener) -> None:
        self.folder = folder
        self.key = key
        self.keep = keep
        self.listener = listener
        with explain_disk(folder):
            make_folder(folder)
            self._renew_index()

    def commit(self, checkpoint: Checkpoint, *, needs: Collection[int] = ()) -> None:
        """Make a checkpoint durable, then rotate. `needs`: steps without whose checkpoints this one cannot end well.

        DiskFullError leaves what was there as it was. ConflictError if a later process has taken the run over.
        """
        with explain_disk(self.folder):
            if not self._at(checkpoint.step).exists():
                self._write(checkpoint, needs)
            self._list(checkpoint.step)
            self._rotate()

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that verifies, byte for byte, with all it needs; damaged ones go to `quarantine/`."""
        found = next((read for path in reversed(self._paths()) if (read := self._read_whole(path))), None)
        self._compare_with_index(found)
        return found

    def at(self, step: int) -> Checkpoint | None:
        """The checkpoint of one step, or None if it is gone or damaged."""
        path = self._at(step)
        return self._read(path) if path.exists() else None

    def weights(self, step: int) -> "StoredWeights | None":
        """Only the weights of one checkpoint, or None if it is gone or damaged."""
        path = self._at(step)
        return StoredWeights(path / TENSORS) if self._verifies(path) else None

    def discard_after(self, step: int) -> None:
        """Put later checkpoints aside: training goes another way from this step."""
        for path in self._paths():
            if path > self._at(step):
                self._put_aside(path, f"training went back to step {step}")
        self._list(step)

    def _at(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def _write(self, checkpoint: Checkpoint, needs: Collection[int]) -> None:
        home = self._at(checkpoint.step)
        aside = self.folder / f"{CHECKPOINT_ASIDE}{checkpoint.step}-{uuid.uuid4().hex[:8]}"
        try:
            aside.mkdir()
            files = {
                TENSORS: _write_synced(aside / TENSORS, _tensor_blocks(checkpoint.tensors)),
                HISTORY: _write_synced(aside / HISTORY, [orjson.dumps(checkpoint.history)]),
            }
            content = {
                "key": self.key,
                "step": checkpoint.step,
                "needs": sorted({*needs} - {checkpoint.step}),
                "token": own_token(),
                "parent": max((path.name for path in self._paths()), default=None),
                "files": files,
            }
            _write_synced(aside / MANIFEST, [canonical_json({**content, "digest": sha256_of(content)})])
            sync_folder(aside)
            publish(aside, home)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _rotate(self) -> None:
        paths = self._paths()
        kept = {*paths[-self.keep :]}
        kept |= {self._at(step) for path in kept for step in self._needs(path)}
        check_fence()
        gone = [
            path.rename(path.with_name(f"{CHECKPOINT_ASIDE}{path.name}-{uuid.uuid4().hex[:8]}"))
            for path in paths
            if path not in kept and not (path / PINNED).exists()
        ]
        if gone:
            sync_folder(self.folder)  # else a power cut may bring a name back without its files
        for path in gone:
            shutil.rmtree(path, ignore_errors=True)  # what is left is swept by the next holder

    def _needs(self, path: Path) -> list[int]:
        try:
            return [int(step) for step in _manifest(path)["needs"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []  # told when somebody wants to read it

    def _read_whole(self, path: Path) -> Checkpoint | None:
        """A checkpoint of this run whose needs verify as well."""
        found = self._read(path)
        if found is None:
            return None
        lost = [step for step in self._needs(path) if not self._verifies(self._at(step))]
        if lost:
            self._put_aside(path, f"it needs step {lost[0]}, which is gone or damaged")
            return None
        return found

    def _read(self, path: Path) -> Checkpoint | None:
        if not self._verifies(path):
            return None
        history = json.loads((path / HISTORY).read_bytes())
        return Checkpoint(step=history["step"], tensors=load_file(path / TENSORS), history=history)

    def _verifies(self, path: Path) -> bool:
        """Whether it is a checkpoint of this run, byte for byte; what is damaged is put aside."""
        if not path.exists():
            return False
        try:
            manifest = _manifest(path)
            for name in (TENSORS, HISTORY):
                if sha256_of_file(path / name) != manifest["files"][name]["sha256"]:
                    raise ValueError(f"{name} changed since it was written")
        except OSError as error:
            if error.errno not in DAMAGE:
                raise
            self._put_aside(path, f"it is damaged ({error})")
            return False
        except (ValueError, KeyError, TypeError) as error:
            self._put_aside(path, f"it is damaged ({error})")
            return False
        return bool(manifest["key"] == self.key)

    def _put_aside(self, path: Path, why: str) -> None:
        home = self.folder / "quarantine" / f"{path.name}-{uuid.uuid4().hex[:8]}"
        with explain_disk(self.folder):
            check_fence()
            make_folder(home.parent)
            path.rename(home)
            sync_folder(self.folder)
        self.listener(Tick("train", 0, 0, f"checkpoint {path.name} moved to {home}: {why}"))

    def _renew_index(self) -> None:
        """Copy the index without torn lines: an earlier holder that wakes still writes into the old one."""
        path = self.folder / INDEX
        if path.exists():
            lines = [line for line in path.read_bytes().splitlines() if _listed(line) is not None]
            write_atomic(path, b"".join(line + b"\n" for line in lines))

    def _list(self, step: int) -> None:
        append_line(self.folder / INDEX, orjson.dumps({"step": step, "token": own_token()}))

    def _compare_with_index(self, found: Checkpoint | None) -> None:
        """Tell if the index lists a later checkpoint than the one that was found."""
        path = self.folder / INDEX
        lines = path.read_bytes().splitlines() if path.exists() else []
        last, step = _listed(lines[-1]) if lines else None, found.step if found else 0
        if last is not None and last > step:
            how = f"training goes on from step {step}" if found else "training starts anew"
            self.listener(Tick("train", 0, 0, f"checkpoint step-{last:08d} was written, but is gone: {how}"))
        if found is not None and last != step:
            with explain_disk(self.folder):
                self._list(step)


def _manifest(path: Path) -> dict[str, Any]:
    """A checkpoint's manifest; ValueError if a byte of it changed."""
    data = (path / MANIFEST).read_bytes()
    content: dict[str, Any] = json.loads(data)
    digest = content.pop("digest")
    name = f"step-{content['step']:08d}"
    if canonical_json({**content, "digest": sha256_of(content)}) != data or path.name != name:
        raise ValueError(f"{MANIFEST} changed since it was written: {digest}")
    return content


def _listed(line: bytes) -> int | None:
    """The step on a line of the index; None if the line is torn."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None


def _write_synced(path: Path, blocks: Iterable[bytes | memoryview]) -> dict[str, Any]:
    """Write a new file, durable before this returns; its size and hash."""
    size, digest = 0, hashlib.sha256()
    with path.open("wb") as stream:  # a plain write names a full disk; that of the safetensors library does not
        for block in blocks:
            size += stream.write(block)
            digest.update(block)
        stream.flush()
        os.fsync(stream.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _tensor_blocks(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """A safetensors file in pieces: the tensors themselves, so that no second copy of them is ever in memory.

    Eight bytes of length, a JSON header padded to eight bytes, the data; wide elements first keep all aligned
    (https://huggingface.co/docs/safetensors).
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {}
    end = 0
    for name in order:
        value, start = tensors[name], end
        end += value.numel() * value.element_size()
        header[name] = {"dtype": TYPES[value.dtype], "shape": list(value.shape), "data_offsets": [start, end]}
    words = orjson.dumps(header)
    words += b" " * (-len(words) % 8)
    yield len(words).to_bytes(8, "little")
    yield words
    for name in order:
        yield tensors[name].detach().contiguous().flatten().view(torch.uint8).numpy().data
