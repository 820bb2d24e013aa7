"""What the base makes of answers: by switching the adapter off, or worked out before the first step of a training that
leaves nothing of the base.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from luthier.artifacts.kept import keep, read_kept
from luthier.models.adapters import switch
from luthier.records import Listener, Tick, Worded

TOGETHER = 256
"""Rows whose values are kept in one file: a broken run does at most these again."""

Values = Callable[[Mapping[int, Worded]], dict[str, list[float]]]
"""Rows by number -> the log-likelihoods of answers, by the id of the row that holds them."""


@contextmanager
def as_base(model: Any) -> Iterator[None]:
    """The model without its adapter and without dropout, for as long as this is open."""
    was_training = model.training
    switch(model.eval(), active=False)
    try:
        yield
    finally:
        switch(model.train(was_training), active=True)


@dataclass(frozen=True, slots=True)
class Remembered:
    """Log-likelihoods of answers by the id of their row."""

    by_id: dict[str, list[float]] = field(default_factory=dict)

    def logp(self, _model: Any, rows: Sequence[Worded]) -> Tensor:
        """Log-likelihood of every answer of these rows, float64: [A]."""
        return torch.tensor([value for row in rows for value in self.by_id[row.id]], dtype=torch.float64)

    def read(self, values: Values, rows: Sequence[Worded], *, kept: Path, listener: Listener) -> None:
        """Work out what the base makes of rows, or take what was kept beside the checkpoints, in `kept`-0.json and on.

        Always the same rows at once, so a resumed run remembers the same bits.
        """
        for group, first in enumerate(range(0, len(rows), TOGETHER)):
            listener(Tick("train: reading by the base", first, len(rows)))
            held = {first + place: row for place, row in enumerate(rows[first : first + TOGETHER])}
            path = kept.with_name(f"{kept.name}-{group}.json")
            found: dict[str, list[float]] | None = read_kept(path, listener=listener)
            if found is None:
                found = values(held)
                keep(path, found)
            self.by_id.update(found)
