"""Dataset folders as prepare leaves them, as far as training reads them."""

from collections.abc import Sequence
from pathlib import Path

from luthier.artifacts.folders import DatasetDir, building
from luthier.artifacts.manifest import list_files, read_manifest, write_manifest
from luthier.artifacts.rows import write_worded
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.records import Worded


def write_dataset(
    folder: Path,
    rows: Sequence[Worded],
    *,
    base: Base,
    objective: str,
    labels: Sequence[str] = (),
    validation: Sequence[Worded] = (),
) -> DatasetDir:
    """Rows that are learnt, and rows that validate, for one base."""
    with building(folder, DatasetDir, key="bench", settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        write_worded(draft.path / "validation.parquet", validation)
        draft.facts |= {"objective": objective, "base": base.name}
        draft.facts["template_hash"] = load_wording(base.folder).template_hash
        draft.facts |= {"labels": list(labels)} if labels else {}
    return DatasetDir.open(folder)


def labelled_rows(rows: Sequence[tuple[Sequence[int], int]]) -> list[Worded]:
    """Rows of ids with one label each."""
    return [
        Worded(f"{place:016x}", f"{place}", f"rows:{place}", tuple(ids), (False,) * len(ids), (label,))
        for place, (ids, label) in enumerate(rows)
    ]


def forge_rows(dataset: DatasetDir, name: str, rows: Sequence[Worded]) -> None:
    """Put other rows into a file of a finished folder and mend its manifest, as one who cheats would."""
    write_worded(dataset.path / name, rows)
    manifest = read_manifest(dataset.path)
    fields = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}
    write_manifest(dataset.path, type(manifest)(**{**fields, "files": list_files(dataset.path)}))
