"""A base and a dataset to train on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import SMALL_REPLAY, Training, chat_row, write_dataset

from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.records import Worded
from luthier.train import replay


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums depend on the number of threads; so do child processes' chances to get on with OpenMP."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


@pytest.fixture
def make_training(
    make_base: Callable[[str], Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Training]:
    """Make a training on a small dataset; keywords are settings."""
    for name, value in SMALL_REPLAY.items():
        monkeypatch.setattr(replay, name, value)

    def make(
        objective: str, *, kind: str | None = None, rows: dict[str, list[Worded]] | None = None, **settings: Any
    ) -> Training:
        kinds = {"classify": "bert", "embed": "bert", "fill": "pieces"}
        base = make_base(kind or kinds.get(objective, "llama"))
        dataset = write_dataset(tmp_path / "prepared" / "dataset", base, objective, **(rows or {}))
        return Training(tmp_path, base, dataset, **settings)

    return make


@pytest.fixture
def overfitting(make_training: Callable[..., Training]) -> Training:
    """A training whose validation rows have answers of which the training rows know nothing."""
    wording = load_wording(make_training("chat").base.folder)
    others = [chat_row(wording, place, f"is {place} ", "zebra") for place in range(100, 108)]
    settings = {"learning_rate": 0.1, "patience": 2, "epochs": 6.0, "adapter": {"rank": 2}, "replay": 0.0, "scale": 1.0}
    return make_training("chat", rows={"validation": others}, **settings)
