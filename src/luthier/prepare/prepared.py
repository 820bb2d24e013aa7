"""What prepare leaves behind, and the light way to find it again."""

from dataclasses import dataclass
from pathlib import Path

from luthier.artifacts.folders import DatasetDir, ExamDir, find


@dataclass(frozen=True, slots=True)
class Prepared:
    """The two artifacts of prepare, made from one split."""

    dataset: DatasetDir
    exam: ExamDir


def find_prepared(out: Path, *, key: str) -> Prepared | None:
    """Both folders with this key inside the run folder, else None."""
    dataset = find(out / DatasetDir.kind, DatasetDir, key=key)
    exam = find(out / ExamDir.kind, ExamDir, key=key)
    if not isinstance(dataset, DatasetDir) or not isinstance(exam, ExamDir):
        return None
    return Prepared(dataset=dataset, exam=exam)
