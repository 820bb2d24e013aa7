"""Small real tasks out of what this repository carries, each as a project folder of its own."""

import html
import json
import random
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.objectives._synonyms import read_pairs
from bench.record import ROOT
from bench.runs import CLASSIFY, luthier

from luthier.artifacts.rows import read_examples
from luthier.config import dump_yaml
from luthier.objectives import objective
from luthier.prepare.convert import NOTHING_COMMON, convert
from luthier.records import Label

EXAMPLES = ROOT / "examples"
MANUAL = EXAMPLES / "postgres-docs" / "data" / "manual.tar.xz"
QUESTIONS = EXAMPLES / "exam-questions" / "data" / "questions.jsonl"
AGREEMENTS = EXAMPLES / "finance-ner" / "data" / "loan_agreements.jsonl"
SHORTEST, LONGEST = 40, 300
"""Characters of a passage."""
COLUMNS = {
    "classify": ("text", "label"),
    "chat": ("question", "answer"),
    "tag": ("text", "entities"),
    "embed": ("query", "positive"),
}
"""What a row's text and answer are called, by objective."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text, what a model shall say of it, and what must not be cut by a split."""

    text: str
    answer: Any
    group: str


def chapters(folder: Path) -> list[Row]:
    """Diagnosis -> chapter of ICD-10-CM; groups are categories. `folder` is for what collect reads."""
    collected = luthier("collect", str(CLASSIFY), "--json", "--out", str(folder)).result()
    examples = read_examples(Path(collected["folder"]) / "examples.parquet")
    labelled = [convert(one, objective("classify"), common=NOTHING_COMMON) for one in examples]
    found = {
        one.text: Row(one.text, one.label, one.origin.columns.get("code", "")[:3])
        for one in labelled
        if isinstance(one, Label)
    }
    return [found[text] for text in sorted(found)]


def commonest(rows: Sequence[Row], answers: int) -> list[Row]:
    """The rows whose answer is one of the most frequent ones."""
    counts = Counter(row.answer for row in rows)
    kept = sorted(counts, key=lambda answer: (-counts[answer], answer))[:answers]
    return [row for row in rows if row.answer in kept]


def questions(_folder: Path) -> list[Row]:
    """Medical entrance-exam question with its options -> subject."""
    return [Row(row["text"], row["label"], row["text"]) for row in _lines(QUESTIONS)]


def entities(_folder: Path) -> list[Row]:
    """Sentence of a loan agreement -> persons, organisations and places; groups are passages of ten sentences."""
    return [Row(row["text"], row["entities"], row["passage"]) for row in _lines(AGREEMENTS)]


def synonyms(_folder: Path) -> list[Row]:
    """What a diagnosis is called -> its title in ICD-10-CM; groups are categories."""
    return [Row(query, title, code[:3]) for query, title, code in read_pairs()]


def documents(_folder: Path) -> list[Row]:
    """Paragraphs of the PostgreSQL manual as raw text; groups are pages."""
    found = {}
    for name, page in _pages():
        for part in re.findall(r"<p>(.*?)</p>", page, flags=re.DOTALL):
            words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split())
            if len(words) >= SHORTEST:
                found[words[:LONGEST]] = Row(words[:LONGEST], "", name)
    return list(found.values())


def dealt(rows: Sequence[Row], parts: Mapping[str, int], *, seed: int) -> list[tuple[Row, str]]:
    """As many rows for each part as asked, whole groups to one part; too few are an error."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    found: list[tuple[Row, str]] = []
    for part, wanted in parts.items():
        chosen: list[Row] = []
        while len(chosen) < wanted:
            chosen += groups[order.pop()]
        found += [(row, part) for row in chosen[:wanted]]
    return found


def write_project(
    folder: Path, rows: Sequence[tuple[Row, str]], *, name: str, objective: str, base: str, train: Mapping[str, Any]
) -> Path:
    """A project whose rows say themselves which part they belong to."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    if objective == "complete":
        for number, (row, part) in enumerate(rows):
            (data / part).mkdir(exist_ok=True)
            (data / part / f"{number:05d}.txt").write_text(row.text, encoding="utf-8")
    else:
        text, answer = COLUMNS[objective]
        lines = (json.dumps({text: row.text, answer: row.answer, "part": part}) for row, part in rows)
        (data / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    given = "file" if objective == "complete" else "part"
    settings = {
        "name": name,
        "objective": objective,
        "base": base,
        "collect": {"sources": ["data"]},
        "prepare": {"split": {"given": given}},
        "train": dict(train),
    }
    path = folder / "luthier.yaml"
    path.write_text(dump_yaml(settings), encoding="utf-8")
    return path


def _pages() -> Iterator[tuple[str, str]]:
    with tarfile.open(MANUAL) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            file = archive.extractfile(member) if member.name.endswith(".html") else None
            if file is not None:
                yield Path(member.name).stem, file.read().decode("utf-8")


def _lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
