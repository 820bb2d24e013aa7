"""Likelihood of what was trained on and of what was not, under base and tuned: samples of TRAIN, VAL and TEST.

Where a base has no head that its likelihood could be had from, it stands for one that knows how often each label occurs
in TRAIN, and nothing else.
"""

# N rows, C labels

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from luthier.artifacts.canonical import hash_order
from luthier.artifacts.folders import ModelDir
from luthier.artifacts.rows import CANARY_GROUP, SHIPPED, SHIPPED_SCHEMA, read_worded
from luthier.artifacts.tables import read_table
from luthier.artifacts.worded import table_of_batch, worded_batches
from luthier.evaluate.likelihood import general_text
from luthier.evaluate.past_best import AGAINST_BEST
from luthier.evaluate.report.evidence import document_id
from luthier.evaluate.sitting import Room
from luthier.evaluate.statistics.clustered import FloatArray
from luthier.evaluate.tasks.fill import frequency_nats, make_hidden
from luthier.models.chat import Wording
from luthier.models.classify import seconds_of, worded_texts
from luthier.models.engines.apart import apart, recited
from luthier.objectives import objective
from luthier.records import Item, Message, Worded

FEWEST_ROWS, MOST_ROWS, MOST_TOKENS = 8, 150, 6_144
"""Of a set: seconds on two cores."""
LONGEST = 256
"""Trained tokens of a row that are read."""
COMPARED = 8
"""Texts on which base and tuned are compared token by token."""
SMALLEST = 1e-12
"""A probability is at least this."""
Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Nats of some rows under both arms, and what they are counted per."""

    base: Sequence[float]
    tuned: Sequence[float]
    sizes: Sequence[int]
    """Bytes of the answers; where there are none, the hidden tokens, or 1 for each row."""
    recites: Mapping[str, Sequence[bool | None]] = field(default_factory=dict)
    """base_recites, tuned_recites: whether an arm goes on from an answer's beginning exactly as it does; None if the
    answer is too short to say."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the likelihood of one objective's answers is had."""

    word: Callable[[Sequence[Item], Room], list[Worded]]
    """The exam's items as rows like those of TRAIN."""
    read: Callable[[Sequence[Worded], Room], Likelihoods]


def draw_general(room: Room) -> dict[str, list[Worded]]:
    """Rows of GEN-TEST that are read; none for an objective that writes nothing."""
    if not _writes(room):
        return {}
    return {"GEN-TEST": read_worded(room.exam.file("general.parquet"))[: room.config.general_texts]}


def draw_rows(items: Sequence[Item], room: Room, *, parts: int = 1) -> dict[str, list[Worded]]:
    """Rows of TRAIN, VAL and TEST that are read, or of each the share of one of several parts; none for an objective
    whose likelihood cannot be had.
    """
    name = str(room.dataset.manifest.facts["objective"])
    if name not in READINGS:
        return {}
    part = partial(sample, longest=LONGEST if _writes(room) else None, parts=parts)
    files = {"TRAIN": "train.parquet", "VAL": "validation.parquet"}
    found = {name: part(_documents_in(room, file)) for name, file in files.items()}
    return {**found, "TEST": part(READINGS[name].word(items, room))}


def _documents_in(room: Room, file: str) -> list[Worded]:
    """What was planted is no document, and has a measure of its own."""
    return [row for row in read_worded(room.dataset.file(file)) if not row.group.startswith(CANARY_GROUP)]


def _writes(room: Room) -> bool:
    return objective(str(room.dataset.manifest.facts["objective"])).head == "causal"


def read_sets(sets: Mapping[str, Sequence[Worded]], room: Room) -> dict[str, Columns]:
    """Columns document, bytes, base_nats, tuned_nats (and what each arm recites) of the sets that were drawn, one line
    per row; of GEN-TEST one per document.
    """
    sets, found = dict(sets), {}
    if "GEN-TEST" in sets:
        found["GEN-TEST"] = general_text(sets.pop("GEN-TEST"), engine=room.engine, listener=room.listener)
    if not sets:
        return found
    rows = [row for part in sets.values() for row in part]
    nats = READINGS[str(room.dataset.manifest.facts["objective"])].read(rows, room)
    columns: Columns = {
        "document": [document_id(row.group) for row in rows],
        "bytes": list(nats.sizes),
        "base_nats": list(nats.base),
        "tuned_nats": list(nats.tuned),
        **{name: list(values) for name, values in nats.recites.items()},
    }
    ends = list(accumulate(len(part) for part in sets.values()))
    for name, start, end in zip(sets, [0, *ends], ends, strict=False):
        found[name] = {column: values[start:end] for column, values in columns.items()}
    return found


def read_apart(sets: Mapping[str, Sequence[Worded]], room: Room) -> dict[str, Columns]:
    """How far base and tuned are apart on 8 texts of GEN-TEST and 8 answers of TEST, line by line: tokens, KL both
    ways in nats, and tokens at which both would write the same. Empty of models that write nothing, and where no
    general tasks are asked: both are told, not judged.
    """
    if "GEN-TEST" not in sets or not room.config.general_items:
        return {}
    return {name: _apart(sets[name][:COMPARED], room) for name in ("GEN-TEST", "TEST") if name in sets}


def _apart(rows: Sequence[Worded], room: Room) -> Columns:
    found = [asdict(one) for one in apart(room.engine, rows, listener=room.listener)]
    columns = {name: [one[name] for one in found] for name in ("tokens", "forward", "backward", "alike")}
    return {"document": [document_id(row.group) for row in rows], **columns}


def read_shipped(model: ModelDir) -> dict[str, Columns]:
    """Nats and right answers of what ships and of the best checkpoint, where training left both; else nothing."""
    if SHIPPED not in model.manifest.files:
        return {}
    rows = read_table(model.file(SHIPPED))
    names = [name for name in SHIPPED_SCHEMA.names if name != "group"]
    columns = {name: [row[name] for row in rows] for name in names}
    return {AGAINST_BEST: {"document": [document_id(row["group"]) for row in rows], **columns}}


def sample(rows: Sequence[Worded], *, longest: int | None = None, parts: int = 1) -> list[Worded]:
    """As many rows as may be read, at least 8: first one of every group, by the hashes of their ids, then the others.

    `longest`: rows are cut behind this many trained tokens, and their bytes count in proportion. `parts`: of as many
    samples that are read as one.
    """
    turns: Counter[str] = Counter()
    order: list[tuple[int, Worded]] = []
    for row in sorted(rows, key=lambda row: hash_order(row.id)):
        order.append((turns[row.group], row))
        turns[row.group] += 1
    chosen: list[Worded] = []
    tokens = 0
    for _, row in sorted(order, key=lambda each: each[0])[: MOST_ROWS // parts]:
        one = row if longest is None else _cut(row, longest)
        tokens += len(one.ids)
        if tokens > MOST_TOKENS // parts and len(chosen) >= FEWEST_ROWS:
            break
        chosen.append(one)
    return chosen


def _cut(row: Worded, longest: int) -> Worded:
    learnt = [place for place, trained in enumerate(row.trained) if trained]
    if len(learnt) <= longest:
        return row
    end = learnt[longest - 1] + 1
    size = max(1, round(row.answer_bytes * longest / len(learnt)))
    return replace(row, ids=row.ids[:end], trained=row.trained[:end], answer_bytes=size)


def _answers(items: Sequence[Item], room: Room) -> list[Worded]:
    """Conversations that end in the gold answer, which alone is learnt."""
    return [_answer(item, room.engine.wording) for item in items]


def _answer(item: Item, wording: Wording) -> Worded:
    asked = [replace(turn, weight=0) if turn.role == "assistant" else turn for turn in item.messages]
    chat = wording.chat_ids([*asked, Message("assistant", item.golds[0])], tools=item.tools)
    return Worded(item.id, item.document, item.at, chat.ids, chat.trained, answer_bytes=chat.answer_bytes)


def _documents(items: Sequence[Item], room: Room) -> list[Worded]:
    word = room.engine.wording.document_row
    return [word(item.golds[0], row_id=item.id, group=item.document, at=item.at) for item in items]


def _fillable(items: Sequence[Item], room: Room) -> list[Worded]:
    word = room.engine.wording.fill_row
    return [word(item.golds[0], row_id=item.id, group=item.document, at=item.at) for item in items]


def _labelled(items: Sequence[Item], room: Room) -> list[Worded]:
    texts, seconds = worded_texts([[turn.content for turn in item.messages] for item in items], room.engine.wording)
    places = {label: place for place, label in enumerate(room.labels)}
    rows = []
    for place, (item, ids) in enumerate(zip(items, texts, strict=True)):
        ends = (seconds[place], len(ids)) if seconds and seconds[place] < len(ids) else ()
        labels = tuple(sorted(places[gold] for gold in item.golds))
        rows.append(Worded(item.id, item.document, item.at, ids, (False,) * len(ids), labels, ends=ends))
    return rows


def _written(rows: Sequence[Worded], room: Room) -> Likelihoods:
    base, tuned = (room.engine.branch_nats(rows, adapter=adapter, listener=room.listener) for adapter in (False, True))
    arms = {"base_recites": False, "tuned_recites": True}
    told = {name: recited(room.engine, rows, adapter=on, listener=room.listener) for name, on in arms.items()}
    return Likelihoods(base, tuned, [max(1, row.answer_bytes) for row in rows], told)


def _filled(rows: Sequence[Worded], room: Room) -> Likelihoods:
    engine = room.engine
    hidden = make_hidden(rows, engine.wording, seed=room.config.seed)
    tuned = engine.fill_nats(hidden, adapter=True, listener=room.listener)
    if engine.new_parts:
        base = frequency_nats(hidden, room.dataset, size=engine.wording.tokenizer.get_vocab_size())
    else:
        base = engine.fill_nats(hidden, adapter=False, listener=room.listener)
    return Likelihoods(base, tuned, [max(1, len(row.labels)) for row in hidden])


def _chosen(rows: Sequence[Worded], room: Room) -> Likelihoods:
    """Nats of the right label, or of all that a text has and has not."""
    labels = len(room.labels)
    counts_C, size = np.zeros(labels), 0
    for batch in worded_batches(room.dataset.file("train.parquet")):
        table = table_of_batch(batch)
        counts_C += np.bincount(table.labels.values, minlength=labels)
        size += len(table)
    several = room.engine.several
    guess_C = (counts_C + 1) / (size + (2 if several else labels))
    found_NC = room.engine.classify([row.ids for row in rows], seconds=seconds_of(rows), listener=room.listener)
    gold_NC = np.zeros((len(rows), labels))
    for place, row in enumerate(rows):
        gold_NC[place, list(row.labels)] = 1
    base, tuned = (_nats(each, gold_NC, several=several) for each in (guess_C, np.asarray(found_NC, dtype=np.float64)))
    return Likelihoods(base.tolist(), tuned.tolist(), [1] * len(rows))


def _nats(chance: FloatArray, gold_NC: FloatArray, *, several: bool) -> FloatArray:
    """Nats of the labels that are there, and of those that are not where each stands by itself: [N]."""
    nats: FloatArray = -(gold_NC * np.log(np.maximum(chance, SMALLEST))).sum(axis=1)
    if several:
        nats -= ((1 - gold_NC) * np.log(np.maximum(1 - chance, SMALLEST))).sum(axis=1)
    return nats


READINGS: Mapping[str, Reading] = {
    "chat": Reading(_answers, _written),
    "complete": Reading(_documents, _written),
    "fill": Reading(_fillable, _filled),
    "classify": Reading(_labelled, _chosen),
}
"""By objective; where there is none, overfitting and memorising are not asked."""
