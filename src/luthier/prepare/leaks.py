"""Leaks: an exam question that training could have read.

Kinds as in evidence.md section 8. All are judged on matching copies, but `group` on the split and `child` on lineage.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.rows import read_items
from luthier.artifacts.worded import WordedTable, table_of, table_of_batch, worded_batches
from luthier.errors import UserError
from luthier.objectives import objective
from luthier.prepare.candidate import Candidate
from luthier.prepare.dedup.against import NearIndex
from luthier.prepare.facts import overlap
from luthier.prepare.nearest import Copied, Questions
from luthier.prepare.overlap import Passage, PassageIndex
from luthier.prepare.split.seal import check_seal
from luthier.records import Span, Worded

Kind = Literal["equal", "near", "contained", "child", "group"]
KINDS: tuple[Kind, ...] = ("equal", "near", "contained", "child", "group")
LEAKS = "leaks.json"
SHOWN = 5
BATCH = 1_000
"""Training rows compared with the exam at once."""
REWORDED = 0.33
"""Cosine of two questions with the same answer from which one may be the other in new words; set on bench D6."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one training row or exam item says, as matching copies without instruction and system text."""

    name: str
    """Place of the training row, or id of the item."""
    group: str
    question: str
    answer: str = ""
    row_id: str = ""
    """Id of the row that it is, or that became the item."""
    parent: str | None = None
    """Id of the row it was made from, in training, in the exam or in neither."""
    spans: tuple[Span, ...] = ()
    """Bytes of documents it was cut from; for an item those that no training row may be cut from: its chunk, or its
    fact where documents are trained."""


def told(one: Candidate, *, name: str, group: str) -> Told:
    """A candidate as leaks are judged on."""
    origin = one.example.origin
    return Told(name, group, one.question, one.answer, one.id, origin.parent, origin.spans)


@dataclass(frozen=True, slots=True)
class Leak:
    """An exam item that a training row gives away."""

    item: str
    """Item id."""
    kind: Kind
    at: str
    """Place of the training row."""


@dataclass(frozen=True, slots=True)
class Reworded:
    """An exam item that a training row may ask in other words: for a person to look at."""

    item: str
    at: str
    similarity: float
    """Cosine of the questions' TF-IDF vectors, 0 to 1."""


def find_leaks(trained: Iterable[Told], asked: Sequence[Told]) -> list[Leak]:
    """Compare every training row with every item, in order of the rows; memory is bounded by the exam.

    One leak per row and item, of the first kind that holds. `equal`: the questions are equal; `near`: Jaccard
    similarity of question and answer >= 0.7; `contained`: 13 words in a row, or a common substring of 50 characters
    that is half the item or its whole question; `child`: made from the item's row, from the same row, or cut from
    its spans; `group`: the row is of the item's group.
    """
    index = _Index(asked)
    rows = iter(trained)
    leaks: list[Leak] = []
    while batch := list(islice(rows, BATCH)):
        leaks += index.leaks(batch)
    return leaks


def find_reworded(trained: Sequence[Told], asked: Sequence[Told], *, least: float = REWORDED) -> list[Reworded]:
    """Training rows with an item's answer and a similar question, each item's most similar one; for review only.

    Cosine of TF-IDF vectors >= `least`. Questions with different numbers or codes ask different things. Equal
    questions are `find_leaks`' business.
    """
    codes = [codes_in(item.question) for item in asked]
    best: dict[int, Reworded] = {}
    if not asked or not trained:
        return []
    for start, found in Questions([row.question for row in trained]).similarities([item.question for item in asked]):
        for number, place in np.argwhere(found >= least).tolist():
            item, row = asked[number], trained[start + place]
            if item.answer != row.answer or item.question == row.question:
                continue
            similarity = round(float(found[number, place]), 9)
            is_best = number not in best or similarity > best[number].similarity
            if is_best and codes[number] == codes_in(row.question):
                best[number] = Reworded(item=item.name, at=row.name, similarity=similarity)
    return [best[number] for number in sorted(best)]


class _Index:
    """The exam, ready to be compared with training rows."""

    def __init__(self, asked: Sequence[Told]) -> None:
        self._asked = asked
        self._passages = PassageIndex([Passage(item.group, item.question, item.answer) for item in asked])
        self._near = NearIndex([f"{item.question} {item.answer}" for item in asked])
        self._questions = _numbers_by((item.question, number) for number, item in enumerate(asked))
        self._groups = _numbers_by((item.group, number) for number, item in enumerate(asked))
        self._sources = _numbers_by(
            (name, number) for number, item in enumerate(asked) for name in (item.row_id, item.parent) if name
        )
        self._spans = _numbers_by((span.document, number) for number, item in enumerate(asked) for span in item.spans)

    def leaks(self, rows: Sequence[Told]) -> Iterator[Leak]:
        """Leaks of a batch of rows."""
        near: dict[int, set[int]] = {}
        for pair in self._near.near([f"{row.question} {row.answer}" for row in rows]):
            near.setdefault(pair.b, set()).add(pair.a)
        for number, row in enumerate(rows):
            found: dict[Kind, Iterable[int]] = {
                "group": self._groups.get(row.group, ()),
                "equal": self._questions.get(row.question, ()),
                "near": near.get(number, ()),
                "contained": self._passages.shared_with(row.question, row.answer),
                "child": self._kin(row),
            }
            kinds: dict[int, Kind] = {}
            for kind, items in found.items():
                for item in items:
                    kinds.setdefault(item, kind)
            yield from (Leak(self._asked[item].name, kinds[item], row.name) for item in sorted(kinds))

    def _kin(self, row: Told) -> set[int]:
        named = {number for name in (row.row_id, row.parent) if name for number in self._sources.get(name, ())}
        cut = {
            number
            for span in row.spans
            for number in self._spans.get(span.document, ())
            if any(overlap(span, kept) for kept in self._asked[number].spans)
        }
        return named | cut


def _numbers_by(found: Iterable[tuple[str, int]]) -> Mapping[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for name, number in found:
        numbers.setdefault(name, []).append(number)
    return numbers


def codes_in(question: str) -> list[str]:
    """Numbers and codes of a matching copy: questions with others ask other things."""
    return sorted(word for word in question.split() if any(letter.isdigit() for letter in word))


def leak_report(leaks: Iterable[Leak], *, prompts: dict[str, str]) -> bytes:
    """leaks.json: items that left before sealing by kind, and of the sealed ones the prompts by fingerprint."""
    found = Counter({kind: 0 for kind in KINDS})
    found.update({(leak.kind, leak.item): leak.kind for leak in leaks}.values())
    content = {"format": "luthier.leaks/1", "removed_before_sealing": found, "left": 0, "prompts": prompts}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def likeness(reworded: Iterable[Reworded], copied: Copied, *, free: bool) -> dict[str, Any]:
    """Sealed items that training may ask in other words, and what copying from training solves.

    It hangs on the training rows, so it belongs to the dataset. `free`: answers are written, not chosen.
    """
    return {
        "reworded": {one.item: one.similarity for one in reworded},
        "copied": {"items": copied.items, "right": copied.right, "free": free and not copied.closed},
    }


def check_leaks(dataset: DatasetDir, exam: ExamDir) -> None:
    """Re-read what training will see and raise UserError naming the rows that leak the sealed exam.

    Compares the token ids of every prompt and the groups, then the seal, then every byte with its manifest. Rows
    count as leaks in training and in validation: both decide what the model becomes. What is learnt from after
    cross-fitting holds the exam by intent, and each fold was compared with its own; then only seal and bytes are read.
    """
    prompts: dict[str, str] = orjson.loads(exam.file(LEAKS).read_bytes())["prompts"]
    held_out = {item.document for item in read_items(exam.file("items.parquet")) if item.claim == "SKILL"}
    documents = pa.array(sorted(held_out), type=pa.string())
    apart = objective(str(dataset.manifest.facts["objective"])).apart
    problems = []
    for name in ("train.parquet", "validation.parquet") if not exam.seal["folds"] else ():
        for batch in worded_batches(dataset.file(name)):
            problems += [f"{name}: {problem}" for problem in _leaks_in(batch, prompts, documents, apart=apart)]
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


def _leaks_in(batch: pa.RecordBatch, prompts: Mapping[str, str], documents: pa.Array, *, apart: bool) -> list[str]:
    """What is wrong with the rows that ask what the exam asks, or that are of a group it asks about."""
    table = table_of_batch(batch)
    asked: dict[int, str] = {}
    for place, seen in prompts_in(table, apart=apart):
        if seen in prompts:
            asked.setdefault(place, prompts[seen])
    inside = np.flatnonzero(pc.is_in(batch.column("group"), documents).to_numpy(zero_copy_only=False))
    problems = []
    for place in sorted({*asked, *inside.tolist()}):
        row = table[place]
        told = f"is of group '{row.group}', which the exam asks about"
        problems.append(f"row {row.id} ({row.at}) {f'asks exam item {asked[place]}' if place in asked else told}")
    return problems


def asked_in(row: Worded, *, apart: bool) -> str:
    """Fingerprint of what the exam asks with a row: of its last prompt, or of the first of several texts."""
    return prompts_of(row, apart=apart)[0 if apart and row.ends else -1]


def prompts_of(row: Worded, *, apart: bool = False) -> list[str]:
    """Fingerprints of every prompt inside a row: what stands before each trained stretch, or all of a classify row or
    of a text.
    """
    return [seen for _place, seen in prompts_in(table_of([row]), apart=apart)]


def prompts_in(table: WordedTable, *, apart: bool = False) -> Iterator[tuple[int, str]]:
    """Place of the row and fingerprint of the prompt (xxh3-128 of its ids) for every prompt in a table, in order.

    `apart`: texts of a row are read one by one, and each has a prompt of its own.
    """
    ids, learnt = table.ids.values.astype("<i4"), table.trained.values
    owners, starts = table.texts() if apart else (np.arange(len(table)), table.ids.starts)
    lengths = np.diff(starts)
    filled = lengths > 0
    first = starts[:-1][filled]
    before = np.append(False, learnt[:-1])
    before[first] = False
    begins = np.flatnonzero(learnt & ~before)  # of every trained stretch
    sums = np.diff(np.append(0, np.cumsum(learnt))[starts])
    behind, rest = sums.copy(), lengths - 1
    behind[filled] -= learnt[first]
    rest[filled] -= ~learnt[starts[1:][filled] - 1]  # a special token may close a text that is learnt
    whole = (table.labels.lengths > 0)[owners] | (sums == 0) | (behind >= rest)
    texts = np.searchsorted(starts, begins, side="right") - 1
    texts, begins = texts[~whole[texts]], begins[~whole[texts]]
    places, ends = np.append(texts, np.flatnonzero(whole)), np.append(begins, starts[1:][whole])
    order = np.lexsort((ends, places))
    for place, end in zip(places[order].tolist(), ends[order].tolist(), strict=True):
        yield int(owners[place]), xxhash.xxh3_128_hexdigest(ids[starts[place] : end].data)
