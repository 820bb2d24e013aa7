"""Datasets of any size as prepare leaves them: conversations shaped like the standard rows, made in seconds."""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from bench.datasets import write_dataset
from bench.engine._rows import PASSAGES, REQUEST, row_lengths

from luthier.artifacts.folders import DatasetDir, building
from luthier.artifacts.tables import GROUP_ROWS, table_writer
from luthier.artifacts.worded import WORDED_SCHEMA
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.records import Message, Worded

ANSWER = 1 / 3
"""Share of a row that is answer."""
LABELS = ("no", "yes")


class Shapes:
    """Rows of given lengths cut out of one long text."""

    def __init__(self, wording: Wording) -> None:
        passages = [json.loads(line)["text"] for line in PASSAGES.read_text(encoding="utf-8").splitlines()]
        self._text = np.array(wording.text_ids(" ".join(passages)), dtype=np.int32)
        self._wording = wording

    def chats(self, lengths: Sequence[int], *, seed: int) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
        """Parts of the ids of each conversation, and of what is trained."""
        opening, middle, closing = self._shell()
        fixed = len(opening) + len(middle) + len(closing)
        dice = np.random.default_rng(seed)
        for length, starts in zip(lengths, dice.integers(0, len(self._text), (len(lengths), 2)).tolist(), strict=True):
            answer = round(length * ANSWER)
            asked, told = (
                self._text[np.arange(start, start + size) % len(self._text)]
                for start, size in zip(starts, (length - fixed - answer, answer), strict=True)
            )
            ids = [opening, asked, middle, told, closing]
            carries = len(told) + 1  # and the token that ends the turn
            trained = [np.zeros(length - len(told) - len(closing), bool), np.ones(carries, bool)]
            yield ids, [*trained, np.zeros(len(closing) - 1, bool)]

    def texts(self, lengths: Sequence[int], *, seed: int) -> list[Worded]:
        """Texts with one of two labels."""
        dice = random.Random(seed)
        rows = []
        for place, length in enumerate(lengths):
            start = dice.randrange(len(self._text) - length)
            ids = tuple(self._text[start : start + length].tolist())
            rows.append(Worded(f"{place:016x}", f"{place}", f"rows:{place}", ids, (False,) * length, (place % 2,)))
        return rows

    def _shell(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What stands before, between and after request and answer."""
        one, two = (
            self._wording.chat_ids([Message("user", f"{REQUEST} {word}"), Message("assistant", word)])
            for word in ("river", "seven")
        )
        ids = np.array([one.ids, two.ids], dtype=np.int32)
        changed = np.flatnonzero(ids[0] != ids[1])
        assert len(changed) == 2, "each word is one token"
        first, last = changed.tolist()
        return ids[0, :first], ids[0, first + 1 : last], ids[0, last + 1 :]


def chat_dataset(folder: Path, base: Base, *, lengths: Sequence[int], seed: int) -> DatasetDir:
    """A dataset of conversations of these lengths, and a few for validation."""
    wording = load_wording(base.folder)
    shapes = Shapes(wording)
    with building(folder, DatasetDir, key="bench", settings={}, inputs={}) as draft:
        for name, sizes in (("train", lengths), ("validation", lengths[:16])):
            _write(draft.path / f"{name}.parquet", shapes, sizes, seed=seed + (name != "train"))
        draft.facts |= {"objective": "chat", "base": base.name, "template_hash": wording.template_hash}
    return DatasetDir.open(folder)


def label_dataset(folder: Path, base: Base, *, lengths: Sequence[int], seed: int) -> DatasetDir:
    """A dataset of labelled texts of these lengths."""
    rows = Shapes(load_wording(base.folder)).texts(lengths, seed=seed)
    return write_dataset(folder, rows, base=base, objective="classify", labels=LABELS, validation=rows[:16])


def standard_lengths(count: int, *, seed: int) -> list[int]:
    """Lengths of `count` standard rows."""
    return row_lengths(count, random.Random(seed))


def _write(path: Path, shapes: Shapes, lengths: Sequence[int], *, seed: int) -> None:
    edges = [*range(0, len(lengths), GROUP_ROWS), len(lengths)]
    with table_writer(path, WORDED_SCHEMA) as writer:
        for start, end in pairwise(edges):
            ids, trained = zip(*shapes.chats(lengths[start:end], seed=seed + start), strict=True)
            offsets = np.concatenate([[0], np.cumsum(lengths[start:end])]).astype(np.int32)
            numbers = range(start, end)
            nothing = pa.ListArray.from_arrays(np.zeros(len(numbers) + 1, dtype=np.int32), pa.array([], pa.int32()))
            columns = {
                "id": [f"{number:016x}" for number in numbers],
                "group": [str(number) for number in numbers],
                "at": [f"rows:{number}" for number in numbers],
                "ids": pa.ListArray.from_arrays(offsets, np.concatenate([part for row in ids for part in row])),
                "trained": pa.ListArray.from_arrays(offsets, np.concatenate([part for row in trained for part in row])),
                "labels": nothing,
                "ends": nothing,
                "score": pa.nulls(end - start, pa.float64()),
                "answer_bytes": np.ones(end - start, dtype=np.int32),
            }
            writer.write_table(pa.table(columns, schema=WORDED_SCHEMA))
