"""The seal of an exam: a Merkle root over its items, and the check that nobody touched them since."""

from collections.abc import Sequence

import orjson

from luthier.artifacts.canonical import canonical_json, merkle_root
from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.rows import item_row, read_items
from luthier.errors import UserError
from luthier.records import Item

SEAL = "seal.json"


def root_of(items: Sequence[Item]) -> str:
    """Hex Merkle root (`artifacts/canonical.py`) over the canonical JSON of the items in order of id."""
    ordered = sorted(items, key=lambda item: item.id)
    return merkle_root([canonical_json(item_row(item)) for item in ordered])


def check_seal(dataset: DatasetDir, exam: ExamDir) -> None:
    """Raise UserError if the exam's items, its seal and the dataset's record of it do not agree."""
    sealed = orjson.loads(exam.file(SEAL).read_bytes())
    items = read_items(exam.file("items.parquet"))
    root = root_of(items)
    if root != sealed["root"] or len(items) != sealed["leaves"]:
        raise UserError(
            f"{exam.path}: the exam's items were changed after they were sealed (root {root[:12]}, sealed "
            f"{str(sealed['root'])[:12]}). Remove {exam.path} and run prepare again."
        )
    expected = dataset.manifest.facts.get("exam_root")
    if expected != root:
        raise UserError(
            f"{dataset.path}: was made beside another exam than {exam.path} (root {str(expected)[:12]}, found "
            f"{root[:12]}). Run prepare again."
        )
