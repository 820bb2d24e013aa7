"""Whether what a cross-fitted evidence file says of its folds fits together, and fits the sealed exam."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from luthier.artifacts.canonical import merkle_root
from luthier.artifacts.folders import ExamDir
from luthier.artifacts.sealed import exam_leaves, sources_in
from luthier.evaluate.report.evidence import document_id
from luthier.records import Item


def fold_problems(record: Mapping[str, Any]) -> Iterator[str]:
    """Every document in one fold, every fold as planned and as it is described, no two folds alike."""
    folds, numbers = record.get("folds", []), record["items"].get("fold", [])
    if len(folds) != record["plan"].get("folds", 0) or bool(folds) != bool(numbers):
        yield "folds: not as planned"
        return
    if not folds:
        return
    counts = Counter(numbers)
    if [counts[place] for place in range(1, len(folds) + 1)] != [fold["items"] for fold in folds]:
        yield "items.fold: other numbers of items than the folds have"
    if len(set(zip(record["items"]["document"], numbers, strict=True))) != len(set(record["items"]["document"])):
        yield "items.fold: a document is in two folds"
    for name in ("root", "dataset", "model"):
        if len({fold[name] for fold in folds}) != len(folds):
            yield f"folds: two have the same {name}"
    if record["exam"]["sealed_with"] and any(fold["trained_on"] != fold["dataset"] for fold in folds):
        yield "exam.sealed_with: a fold's model learnt from another dataset than the fold was kept apart from"


def sealed_fold_problems(record: Mapping[str, Any], items: Sequence[Item], exam: ExamDir) -> Iterator[str]:
    """The folds are those of the seal: each fold's items have the root that it was sealed with before training."""
    sealed, sources = exam.seal["folds"], sources_in(exam)
    if [fold["root"] for fold in sealed] != [fold["root"] for fold in record.get("folds", [])]:
        yield "folds: not those that the exam was sealed with"
        return
    if not sealed:
        return
    fold_of = {name: place for place, fold in enumerate(sealed, start=1) for name in fold["documents"]}
    for place, fold in enumerate(sealed, start=1):
        own = [item for item in items if fold_of.get(item.document) == place]
        texts = {item.id: sources[item.id] for item in own if item.id in sources}
        if merkle_root(exam_leaves(own, sources=texts, examples=())) != fold["root"]:
            yield f"folds[{place - 1}].root: its items are not the sealed ones"
    known = {document_id(name): place for name, place in fold_of.items()}
    told = zip(record["items"]["document"], record["items"]["fold"], strict=True)
    if any(known.get(document) != place for document, place in told):
        yield "items.fold: not the folds that the exam was sealed with"
