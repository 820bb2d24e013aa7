"""Small real tasks out of what this repository carries, each as a project folder of its own."""

import csv
import html
import json
import random
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.record import ROOT
from bench.runs import CLASSIFY, luthier

from luthier.artifacts.rows import read_examples
from luthier.config import dump_yaml
from luthier.records import Label, Text

MANUAL = ROOT / "examples" / "postgres-docs" / "data" / "manual.tar.xz"
SHORTEST, LONGEST = 40, 300
"""Characters of a passage."""
TOGETHER = 4
"""Passages of a page that are split together."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text, its label, and what must not be cut by a split."""

    text: str
    label: str
    group: str


def chapters(folder: Path) -> list[Row]:
    """Diagnosis -> chapter of ICD-10-CM; groups are categories. `folder` is for what collect reads."""
    collected = luthier("collect", str(CLASSIFY), "--json", "--out", str(folder)).result()
    examples = read_examples(Path(collected["folder"]) / "examples.parquet")
    found = {
        one.text: Row(one.text, one.label, one.origin.columns.get("code", "")[:3])
        for one in examples
        if isinstance(one, Label) and not isinstance(one, Text)
    }
    return [found[text] for text in sorted(found)]


def injuries(folder: Path) -> list[Row]:
    """Injury -> region of the body: the second letter of its code (S0 head, S1 neck, ...)."""
    regions = [Row(row.text, row.group[:2], row.group) for row in chapters(folder) if re.match(r"S\d", row.group)]
    return _frequent(regions, least=25)


def passages(_folder: Path) -> list[Row]:
    """Passage of the PostgreSQL manual -> the kind of its page: sql, functions, runtime, ..."""
    found = []
    for name, page in _pages():
        kind = re.split(r"[-.\d]", name)[0]
        for number, part in enumerate(re.findall(r"<p>(.*?)</p>", page, flags=re.DOTALL)):
            words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split())
            if len(words) >= SHORTEST:
                found.append(Row(words[:LONGEST], kind, f"{name} {number // TOGETHER}"))
    return _frequent(found, least=40)


def documents(_folder: Path) -> list[Row]:
    """Paragraphs of the PostgreSQL manual as raw text; groups are pages."""
    return [Row(row.text, "", row.group.partition(" ")[0]) for row in passages(_folder)]


def definitions(_folder: Path) -> list[Row]:
    """Definition of WordNet, without its word -> lexical file (noun.animal, verb.motion, ...)."""
    lines = files("luthier.prepare.general").joinpath("wordnet.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        entry = json.loads(line)
        for meaning in re.findall(r"(?:means|we mean|is) ([a-z][^.]{15,})\.", entry["text"]):
            found.append(Row(meaning, entry["id"].rpartition("-")[0], meaning))
    return _frequent(found, least=20)


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
        with (data / "rows.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["question", "answer", "part"])
            writer.writerows([row.text, row.label, part] for row, part in rows)
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


def _frequent(rows: Sequence[Row], *, least: int) -> list[Row]:
    """Rows, each text once, of labels that occur often enough."""
    once = list({row.text: row for row in rows}.values())
    counts = Counter(row.label for row in once)
    return [row for row in once if counts[row.label] >= least]
