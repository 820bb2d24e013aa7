"""What the seal of an exam stands over: its items, the texts they were cut from, and examples of such questions."""

from collections.abc import Iterable, Mapping

from luthier.artifacts.canonical import canonical_json
from luthier.artifacts.folders import ExamDir
from luthier.artifacts.rows import EXAMPLES, PASSAGES, item_row, read_items, read_passages
from luthier.records import Item


def exam_leaves(items: Iterable[Item], *, sources: Mapping[str, str], examples: Iterable[Item]) -> list[bytes]:
    """The leaves of an exam's Merkle root, as canonical JSON: items, then sources, then examples, each by item id."""
    asked, shown = ([item_row(one) for one in sorted(part, key=lambda one: one.id)] for part in (items, examples))
    texts = [{"item": item, "text": text} for item, text in sorted(sources.items())]
    return [canonical_json(row) for row in (*asked, *texts, *shown)]


def leaves_in(exam: ExamDir, items: Iterable[Item]) -> list[bytes]:
    """The leaves of an exam whose items were read."""
    return exam_leaves(items, sources=sources_in(exam), examples=examples_in(exam))


def sources_in(exam: ExamDir) -> dict[str, str]:
    """Item id -> the text that it was cut from; empty where no item was made from a text."""
    return read_passages(exam.file(PASSAGES)) if PASSAGES in exam.manifest.files else {}


def examples_in(exam: ExamDir) -> list[Item]:
    """Questions like the exam's about documents that are trained on, which it does not ask; they may be shown."""
    return read_items(exam.file(EXAMPLES)) if EXAMPLES in exam.manifest.files else []
