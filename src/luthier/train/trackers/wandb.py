"""Weights & Biases: a run in the project `luthier`; its own environment variables say where and how."""

from collections.abc import Mapping

import wandb

from luthier.train.tracking import Run


class WeightsAndBiases:
    """A run of Weights & Biases; a training that goes on goes on in its own."""

    def __init__(self, run: Run) -> None:
        self._run = wandb.init(
            project="luthier",
            id=run.id,
            name=run.name,
            resume="allow",
            dir=str(run.folder),
            config=dict(run.settings),
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Send what waits."""
        self._run.finish()
