"""What a folder says about itself: its inputs, settings, counts and files."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.canonical import sha256_of, sha256_of_file
from luthier.artifacts.storage import write_atomic
from luthier.errors import NotFoundError, UserError

MANIFEST = "manifest.json"
NOTES = "notes"
"""Folder inside an artifact for what may differ from run to run (timings, logs): not hashed, not verified."""
FORMAT = "luthier.artifact/1"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one artifact."""

    kind: str
    key: str
    """Hash of stage, code version, settings and inputs: equal keys mean equal content."""
    code: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    """Input's name -> digest."""
    counts: Mapping[str, Any]
    files: Mapping[str, FileEntry]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the next stage or a person must know; plain JSON."""

    @property
    def digest(self) -> str:
        """Content hash: what the files are, whatever made them."""
        return sha256_of({"kind": self.kind, "files": {name: entry.sha256 for name, entry in self.files.items()}})


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Hash every file of an artifact except the manifest and the notes."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST and not name.startswith(f"{NOTES}/"):
            entries[name] = FileEntry(size=path.stat().st_size, sha256=sha256_of_file(path))
    return entries


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; the last file of an artifact."""
    content = {"format": FORMAT, **dataclasses.asdict(manifest), "digest": manifest.digest}
    write_atomic(folder / MANIFEST, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest; NotFoundError if there is none, UserError if it is not one of ours."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFoundError(f"{folder}: not a finished Luthier folder ({MANIFEST} is missing)")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise UserError(f"{path}: written by another version of Luthier")
        content.pop("digest")
        content["files"] = {name: FileEntry(**entry) for name, entry in content["files"].items()}
        return Manifest(**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}). Remove {folder} and run again.") from None


def check_files(folder: Path, manifest: Manifest) -> list[str]:
    """Say what differs between a folder and its manifest; an empty list means intact."""
    found = list_files(folder)
    problems = [f"{folder / name}: missing" for name in manifest.files if name not in found]
    for name, entry in found.items():
        expected = manifest.files.get(name)
        if expected is not None and entry != expected:
            problems.append(f"{folder / name}: changed since it was written")
    return problems
