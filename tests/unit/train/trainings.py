"""Small datasets, and training runs over them."""

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from preferences import pair_row

from luthier.artifacts.folders import DatasetDir, ModelDir, building
from luthier.artifacts.rows import write_worded
from luthier.graders.marking import GraderConfig, Grading
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.records import Message, Worded
from luthier.train.checkpoint import Checkpoint, CheckpointStore
from luthier.train.config import TrainConfig, train_key
from luthier.train.stage import train

LABELS = ("no", "yes")
LETTERS = GraderConfig(grader="regex", options={"pattern": "[a-z]"})
GRADING = Grading(("no", "yes"), (LETTERS,)).text
"""A small letter somewhere: about half of what a base with random weights writes has one."""
SETTINGS: dict[str, Any] = {
    "epochs": 2.0,
    "batch_tokens": 160,
    "micro_batch_tokens": 96,
    "learning_rate": 0.01,
    "dtype": "float32",
    "patience": 100,
    "checkpoint_minutes": 0.0,
    "adapter": {"rank": 2, "dropout": 0.1},
}
"""Several micro-batches a step, a checkpoint after every step, and dropout: all that a resumed run could get wrong."""

SMALL_REPLAY = {"LENGTH": 8, "DOCUMENTS": 32}
"""Constants of `luthier.train.replay` that make sampling the base a matter of milliseconds."""


def chat_row(wording: Wording, place: int, question: str, answer: str) -> Worded:
    chat = wording.chat_ids([Message("user", question), Message("assistant", answer)])
    return Worded(f"{place:016x}", f"g{place}", f"a.csv:{place}", chat.ids, chat.trained, (), chat.answer_bytes)


def label_row(wording: Wording, place: int, text: str, label: int) -> Worded:
    ids = wording.text_ids(text)
    return Worded(f"{place:016x}", f"g{place}", f"a.csv:{place}", ids, (False,) * len(ids), (label,))


def texts_row(wording: Wording, place: int, *texts: str, score: float | None = None) -> Worded:
    """Query, positive, negatives; or two texts and a score."""
    parts = [wording.text_ids(text) for text in texts]
    ids = tuple(token for part in parts for token in part)
    ends = tuple(accumulate(map(len, parts)))
    place_of = (f"{place:016x}", f"g{place}", f"a.csv:{place}")
    return Worded(*place_of, ids, (False,) * len(ids), ends=ends, score=score)


def general_row(wording: Wording, place: int, text: str) -> Worded:
    ids = wording.document_ids(text)
    return Worded(f"{place:016x}", f"n{place}", "general", ids, (False, *(True,) * (len(ids) - 1)), (), len(text))


def make_rows(wording: Wording, objective: str, count: int, *, first: int = 0) -> list[Worded]:
    """Questions of unequal length whose answer follows from their number."""
    random = np.random.default_rng(first)
    rows = []
    for place in range(first, first + count):
        text = f"is {place} " + "odd " * int(random.integers(0, 5))
        match objective:
            case "chat":
                rows.append(chat_row(wording, place, text, LABELS[place % 2]))
            case "fill":
                about = {"row_id": f"{place:016x}", "group": f"g{place}", "at": f"a.csv:{place}"}
                rows.append(wording.fill_row(f"{text}{LABELS[place % 2]}", **about))
            case "complete":
                rows.append(general_row(wording, place, f"{text}{LABELS[place % 2]}"))
            case "prefer" | "reward":
                answers = LABELS[place % 2], LABELS[1 - place % 2]
                rows.append(pair_row(wording, place, text, answers))
            case "reinforce":
                rows.append(replace(chat_row(wording, place, text, LABELS[place % 2]), grading=GRADING))
            case "embed":
                rows.append(texts_row(wording, place, text, f"{LABELS[place % 2]} it is {place}"))
            case _:
                rows.append(label_row(wording, place, text, place % 2))
    return rows


def write_dataset(
    folder: Path, base: Base, objective: str, *, facts: dict[str, Any] | None = None, **files: list[Worded]
) -> DatasetDir:
    """A dataset folder as prepare leaves it, as far as train reads it."""
    wording = load_wording(base.folder)
    rows = {
        "train": make_rows(wording, objective, 24),
        "validation": make_rows(wording, objective, 8, first=100),
        "general": [general_row(wording, place, f"The weather of day {place}.") for place in range(6)],
        **files,
    }
    with building(folder, DatasetDir, key="d" * 64, settings={}, inputs={}) as draft:
        for name, content in rows.items():
            write_worded(draft.path / f"{name}.parquet", content)
        draft.facts.update(objective=objective, template_hash=wording.template_hash)
        if objective == "classify":
            draft.facts["labels"] = list(LABELS)
        draft.facts |= facts or {}
    return DatasetDir.open(folder)


class Training:
    """One base and one dataset, and runs over them in folders of their own."""

    def __init__(self, home: Path, base: Base, dataset: DatasetDir, **settings: Any) -> None:
        self.home = home
        self.base = base
        self.dataset = dataset
        self.config = TrainConfig.model_validate({**SETTINGS, **settings})
        self.key = train_key(self.config, dataset_digest=dataset.digest, base_digest=base.digest)

    def run(self, name: str, *, listener: Callable[..., None] = lambda _tick: None) -> ModelDir:
        """Train in a run folder of this name, or go on there."""
        return train(
            self.dataset, base=self.base, config=self.config, out=self.home / name / "model", listener=listener
        )

    def scratch(self, name: str) -> Path:
        return self.home / name / "training" / self.key[:12]

    def checkpoints(self, name: str) -> list[Path]:
        return sorted((self.scratch(name) / "checkpoints").glob("step-*"))

    def store(self, name: str, **changes: Any) -> CheckpointStore:
        settings = {"key": self.key, "keep": 2, "listener": lambda _tick: None, **changes}
        return CheckpointStore(self.scratch(name) / "checkpoints", **settings)

    def newest(self, name: str) -> Checkpoint:
        found = self.store(name).newest()
        assert found is not None
        return found


def trained_name(name: str) -> str:
    """Name in a checkpoint of a tensor of a saved adapter."""
    return f"weight.{name.removeprefix('base_model.model.').removesuffix('.weight')}"


def content(model: ModelDir) -> dict[str, bytes]:
    """All hashed files of a tuned model."""
    return {name: (model.path / name).read_bytes() for name in model.manifest.files}
