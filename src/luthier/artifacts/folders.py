"""Typed handles on folders, and the one way to make such a folder.

`runs/<name>/` holds one artifact per stage. A folder is renamed into place when it is complete; the one it
replaces moves to `replaced/` and comes back when its key is asked for again.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import luthier
from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.fence import check_fence
from luthier.artifacts.manifest import (
    MANIFEST,
    Manifest,
    check_files,
    list_files,
    read_manifest,
    write_manifest,
)
from luthier.artifacts.storage import aside_of, publish, sync_tree
from luthier.errors import NotFoundError, UserError

REPLACED = "replaced"
LOOKS = "looks.jsonl"
SEAL = "seal.json"
PLAN = "plan.json"
"""What an evaluation will ask and count: written where a training begins, and in the report that followed it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A complete folder of a known kind."""

    kind: ClassVar[str] = "artifact"

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a folder of this kind; NotFoundError or UserError if it is not one."""
        manifest = read_manifest(path)
        if manifest.kind != cls.kind:
            raise UserError(f"{path}: is a {manifest.kind} folder, not a {cls.kind} folder")
        return cls(path=path, manifest=manifest)

    @property
    def digest(self) -> str:
        """Content hash of the folder."""
        return self.manifest.digest

    def file(self, name: str) -> Path:
        """Path of one file of the artifact; NotFoundError if it has none of this name."""
        if name not in self.manifest.files:
            raise NotFoundError(f"{self.path}: has no {name}")
        return self.path / name

    def check(self) -> None:
        """Raise UserError if any byte changed since the folder was written."""
        problems = check_files(self.path, self.manifest)
        if problems:
            raise UserError("\n".join(problems) + f"\nRemove {self.path} and run again.")


@dataclass(frozen=True, slots=True)
class CorpusDir(Artifact):
    """What `collect` read: files.parquet (ledger), examples.parquet, rejects.parquet."""

    kind: ClassVar[str] = "corpus"


@dataclass(frozen=True, slots=True)
class DatasetDir(Artifact):
    """What `prepare` made for training: train.parquet, validation.parquet, dropped.parquet, receipts.json."""

    kind: ClassVar[str] = "dataset"


@dataclass(frozen=True, slots=True)
class ExamDir(Artifact):
    """The sealed exam: items.parquet, general.parquet, leaks.json, seal.json, tasks.parquet for models that write, and
    where items were made from documents passages.parquet, examples.parquet, facts.parquet and audit.csv; looks.jsonl
    grows beside them.
    """

    kind: ClassVar[str] = "exam"

    @property
    def seal(self) -> dict[str, Any]:
        """Merkle `root`, `leaves`, and of cross-fitting `folds`: root and documents of each; UserError if damaged."""
        path = self.file(SEAL)
        try:
            seal = json.loads(path.read_bytes())
            return {"folds": [], **seal, "root": str(seal["root"])}
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}: damaged. Run prepare again.") from None

    @property
    def looks(self) -> Path:
        """The ledger of looks: the one file that changes after sealing, outside the root and the digest."""
        return self.path.parent / LOOKS


@dataclass(frozen=True, slots=True)
class ModelDir(Artifact):
    """A tuned model: adapter in peft format or all weights, tokenizer, template, generation config, training curve,
    receipts.json.
    """

    kind: ClassVar[str] = "model"


@dataclass(frozen=True, slots=True)
class AnswersDir(Artifact):
    """What was answered to one fold of an exam in cross-fitting: answers.json."""

    kind: ClassVar[str] = "answers"


@dataclass(frozen=True, slots=True)
class ReportDir(Artifact):
    """Evidence: evidence.json, report.html, answers.parquet, card.md."""

    kind: ClassVar[str] = "report"


@dataclass(slots=True)
class Draft:
    """A folder under construction: write below `path`, put what the manifest shall say into `counts` and `facts`."""

    path: Path
    counts: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def stage_key(kind: str, *, version: int, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Hash of all that decides a stage's output. `version` rises when the stage's code changes what it writes."""
    return sha256_of({"kind": kind, "version": version, "settings": dict(settings), "inputs": dict(inputs)})


@contextmanager
def building(
    out: Path, kind: type[Artifact], *, key: str, settings: Mapping[str, Any], inputs: Mapping[str, str]
) -> Iterator[Draft]:
    """Fill a folder aside and rename it to `out`: a kill leaves nothing half-made, an error leaves nothing at all."""
    with aside_of(out) as aside:
        draft = Draft(path=aside)
        yield draft
        manifest = Manifest(
            kind=kind.kind,
            key=key,
            code=luthier.__version__,
            settings=dict(settings),
            inputs=dict(inputs),
            counts=draft.counts,
            files=list_files(aside),
            facts=draft.facts,
        )
        write_manifest(aside, manifest)
        sync_tree(aside)
        check_fence()
        retired = retire(out)
        try:
            publish(aside, out)
        except BaseException:
            if retired is not None and not out.exists():
                retired.rename(out)
            raise


def retire(out: Path) -> Path | None:
    """Move a folder that is about to be replaced to `replaced/<name>-<key>`, and say where it is.

    A folder that is not ours stays: UserError.
    """
    if not out.exists():
        return None
    if not (out / MANIFEST).is_file() and any(out.iterdir()):
        raise UserError(f"{out}: exists and was not made by Luthier. Choose another --out.")
    if not (out / MANIFEST).is_file():
        out.rmdir()
        return None
    home = out.parent / REPLACED / f"{out.name}-{read_manifest(out).key[:12]}"
    home.parent.mkdir(exist_ok=True)
    if home.exists():
        shutil.rmtree(home)
    return out.rename(home)


def find(out: Path, kind: type[Artifact], *, key: str) -> Artifact | None:
    """The artifact with this key at `out` or among the replaced ones (which then returns to `out`), else None."""
    if _has_key(out, key):
        return kind.open(out)
    home = out.parent / REPLACED / f"{out.name}-{key[:12]}"
    if not _has_key(home, key):
        return None
    retire(out)
    home.rename(out)
    return kind.open(out)


def _has_key(path: Path, key: str) -> bool:
    try:
        manifest = read_manifest(path)
    except (NotFoundError, UserError):
        return False
    return manifest.key == key and not check_files(path, manifest)
