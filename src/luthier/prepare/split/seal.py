"""The seal of an exam: a Merkle root over its rows, and the check that nobody touched them since."""

from luthier.artifacts.canonical import merkle_root
from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.rows import read_items
from luthier.artifacts.sealed import leaves_in
from luthier.errors import UserError


def check_seal(dataset: DatasetDir, exam: ExamDir) -> None:
    """Raise UserError if the exam's rows, its seal and the dataset's record of it do not agree."""
    sealed = exam.seal
    leaves = leaves_in(exam, read_items(exam.file("items.parquet")))
    root = merkle_root(leaves)
    if root != sealed["root"] or len(leaves) != sealed["leaves"]:
        raise UserError(
            f"{exam.path}: the exam's items, or the texts they were cut from, were changed after they were sealed "
            f"(root {root[:12]}, sealed {sealed['root'][:12]}). Remove {exam.path} and run prepare again."
        )
    expected = dataset.manifest.facts.get("exam_root")
    if expected != root:
        raise UserError(
            f"{dataset.path}: was made beside another exam than {exam.path} (root {str(expected)[:12]}, found "
            f"{root[:12]}). Run prepare again."
        )
