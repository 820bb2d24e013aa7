"""Checkpoints that survive kill -9, a full disk and a power cut.

Protocol: write everything under `.tmp-<step>-<id>/`, fsync each file, write the manifest, fsync, rename to
`step-<step>`, fsync the parent, append to `index.jsonl`. Rotation comes last and never touches the newest or the best.
"""

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.lock import read_fence
from luthier.artifacts.storage import append_line, explain_disk, sync_folder, sync_tree
from luthier.errors import ConflictError
from luthier.records import Listener, Tick

TENSORS = "state.safetensors"
HISTORY = "history.json"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A committed state: tensors by name and the run's history."""

    step: int
    tensors: dict[str, Tensor]
    history: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one training run, written by whoever holds the run's latest fencing token."""

    def __init__(self, folder: Path, *, key: str, keep: int, run: Path, listener: Listener) -> None:
        self.folder = folder
        self.key = key
        self.keep = keep
        self.run = run
        self.token = read_fence(run)
        self.listener = listener
        with explain_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(".tmp-*"):
                shutil.rmtree(left)

    def commit(self, checkpoint: Checkpoint, *, best: int) -> None:
        """Make a checkpoint durable, then rotate. ConflictError if a later process has taken the run over."""
        name = f"step-{checkpoint.step:08d}"
        if (self.folder / name).exists():
            return
        aside = self.folder / f".tmp-{checkpoint.step}-{uuid.uuid4().hex[:8]}"
        with explain_disk(self.folder):
            try:
                aside.mkdir()
                (aside / TENSORS).write_bytes(save(checkpoint.tensors))  # plain writes name a full disk
                (aside / HISTORY).write_bytes(orjson.dumps(checkpoint.history))
                self._seal(aside, checkpoint.step)
                self._check_fence()
                aside.rename(self.folder / name)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            sync_folder(self.folder)
            append_line(self.folder / "index.jsonl", orjson.dumps({"step": checkpoint.step, "token": self.token}))
            self._rotate(best)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint whose every byte verifies; damaged ones move to `quarantine/` and are reported."""
        for path in sorted(self.folder.glob("step-*"), reverse=True):
            found = self._read(path)
            if found is not None:
                return found
        return None

    def at(self, step: int) -> Checkpoint | None:
        """The checkpoint of one step, or None if it is gone or damaged."""
        path = self.folder / f"step-{step:08d}"
        return self._read(path) if path.exists() else None

    def _seal(self, aside: Path, step: int) -> None:
        files = {
            path.name: {"size": path.stat().st_size, "sha256": sha256_of_file(path)} for path in sorted(aside.iterdir())
        }
        manifest = {"key": self.key, "step": step, "token": self.token, "parent": self._newest_name(), "files": files}
        (aside / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS))
        sync_tree(aside)

    def _newest_name(self) -> str | None:
        return max((path.name for path in self.folder.glob("step-*")), default=None)

    def _check_fence(self) -> None:
        if read_fence(self.run) > self.token:
            raise ConflictError(f"{self.run}: a later process has taken this run over; this one stops.")

    def _rotate(self, best: int) -> None:
        paths = sorted(self.folder.glob("step-*"))
        for path in paths[: -self.keep]:
            if path.name != f"step-{best:08d}":
                shutil.rmtree(path)

    def _read(self, path: Path) -> Checkpoint | None:
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            if manifest["key"] != self.key:
                return None
            for name in (TENSORS, HISTORY):
                if sha256_of_file(path / name) != manifest["files"][name]["sha256"]:
                    raise ValueError(f"{name} changed since it was written")
            history = json.loads((path / HISTORY).read_text(encoding="utf-8"))
            return Checkpoint(step=manifest["step"], tensors=load_file(path / TENSORS), history=history)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            home = self.folder / "quarantine" / f"{path.name}-{uuid.uuid4().hex[:8]}"
            home.parent.mkdir(exist_ok=True)
            os.rename(path, home)
            self.listener(Tick("train", 0, 0, f"checkpoint {path.name} is damaged ({error}): moved to {home}"))
            return None
