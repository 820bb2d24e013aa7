"""Leaks: an exam question that training could have read.

Kinds as in evidence.md section 8: `equal` and `contained` are judged on matching copies, `group` on the split.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import orjson
import xxhash

from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.rows import read_items, read_worded
from luthier.errors import UserError
from luthier.models.receipts import learnt_stretches
from luthier.prepare.split.seal import check_seal
from luthier.records import Worded

Kind = Literal["equal", "contained", "group"]
KINDS: tuple[Kind, ...] = ("equal", "contained", "group")
SHORTEST = 50
"""Characters below which a question inside a longer text is no evidence of copying."""
LEAKS = "leaks.json"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training row says, as matching copies."""

    at: str
    group: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What one exam item asks, as a matching copy without instruction and system text."""

    id: str
    group: str
    question: str


@dataclass(frozen=True, slots=True)
class Leak:
    """An exam item that a training row gives away."""

    item: str
    """Item id."""
    kind: Kind
    at: str
    """Place of the training row."""


def find_leaks(trained: Sequence[Trained], asked: Sequence[Asked]) -> list[Leak]:
    """Compare every training row with every item; memory is bounded by the exam.

    `equal`: the questions are equal; `contained`: an item's question of at least 50 characters stands whole in a row;
    `group`: the row is of the item's group.
    """
    by_question: dict[str, list[str]] = {}
    by_group: dict[str, list[str]] = {}
    anchors: dict[str, list[tuple[str, str]]] = {}
    for item in asked:
        by_question.setdefault(item.question, []).append(item.id)
        by_group.setdefault(item.group, []).append(item.id)
        if len(item.question) >= SHORTEST:
            anchors.setdefault(item.question[:SHORTEST], []).append((item.question, item.id))
    leaks = []
    for row in trained:
        leaks += [Leak(item, "equal", row.at) for item in by_question.get(row.question, ())]
        leaks += [Leak(item, "group", row.at) for item in by_group.get(row.group, ())]
        leaks += [Leak(item, "contained", row.at) for item in _contained(row, anchors)]
    return leaks


def leak_report(leaks: Iterable[Leak], *, prompts: dict[str, str]) -> bytes:
    """leaks.json: items that left before sealing by kind, and the sealed items' prompts by fingerprint."""
    found = Counter({kind: 0 for kind in KINDS})
    found.update({(leak.kind, leak.item): leak.kind for leak in leaks}.values())
    content = {"format": "luthier.leaks/1", "removed_before_sealing": found, "left": 0, "prompts": prompts}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def fingerprint(ids: Sequence[int]) -> str:
    """xxh3-128 of token ids, for finding the same prompt again."""
    return xxhash.xxh3_128_hexdigest(np.asarray(ids, dtype="<i4").tobytes())


def check_leaks(dataset: DatasetDir, exam: ExamDir) -> None:
    """Re-read what training will see and raise UserError naming the rows that leak the sealed exam.

    Compares the token ids of every prompt and the groups, then the seal, then every byte with its manifest. Rows
    count as leaks in training and in validation: both decide what the model becomes.
    """
    prompts: dict[str, str] = orjson.loads(exam.file(LEAKS).read_bytes())["prompts"]
    documents = {item.document: item.id for item in read_items(exam.file("items.parquet"))}
    problems = []
    for name in ("train.parquet", "validation.parquet"):
        for row in read_worded(dataset.file(name)):
            asked = next((prompts[seen] for seen in prompts_of(row) if seen in prompts), None)
            if asked is not None:
                problems.append(f"{name}: row {row.id} ({row.at}) asks exam item {asked}")
            elif row.group in documents:
                problems.append(f"{name}: row {row.id} ({row.at}) is of group '{row.group}', which the exam asks about")
    if problems:
        more = f"\n... and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise UserError(
            f"the exam leaks into training, {len(problems)} rows:\n"
            + "\n".join(problems[:SHOWN])
            + f"{more}\nRemove {dataset.path} and {exam.path}, and run prepare again."
        )
    check_seal(dataset, exam)
    dataset.check()
    exam.check()


def _contained(row: Trained, anchors: dict[str, list[tuple[str, str]]]) -> set[str]:
    if not anchors:
        return set()
    found: set[str] = set()
    for text in (row.question, row.answer):
        for start in range(len(text) - SHORTEST + 1):
            near = anchors.get(text[start : start + SHORTEST], ())
            found |= {item for question, item in near if question != row.question and _stands_at(question, text, start)}
    return found


def _stands_at(question: str, text: str, start: int) -> bool:
    """True if the question stands whole at `start`: no word of the text is cut."""
    before, after = text[max(start - 1, 0) : start], text[start + len(question) :][:1]
    return text.startswith(question, start) and before in {"", " "} and after in {"", " "}


def prompts_of(row: Worded) -> list[str]:
    """Fingerprints of every prompt inside a row: what stands before each trained stretch, or all of a classify row or
    of a text.
    """
    if row.label is not None or all(row.trained[1:]):
        return [fingerprint(row.ids)]
    return [fingerprint(row.ids[:start]) for start, _end in learnt_stretches(row)]
