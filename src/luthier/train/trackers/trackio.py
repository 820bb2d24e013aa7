"""trackio: a run in the local project `luthier`."""

from collections.abc import Mapping

import trackio

from luthier.train.tracking import Run


class TrackIo:
    """A run of trackio; a training that goes on goes on in its own."""

    def __init__(self, run: Run) -> None:
        name = f"{run.name}-{run.id}"
        self._run = trackio.init(project="luthier", name=name, config=dict(run.settings), resume="allow")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write what waits."""
        self._run.finish()
