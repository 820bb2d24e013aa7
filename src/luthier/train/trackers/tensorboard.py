"""TensorBoard: event files in the run's folder of checkpoints."""

from collections.abc import Mapping

from torch.utils.tensorboard import SummaryWriter

from luthier.config import dump_yaml
from luthier.train.tracking import Run


class TensorBoard:
    """A writer of event files."""

    def __init__(self, run: Run) -> None:
        self._writer = SummaryWriter(log_dir=str(run.folder / "tensorboard"), flush_secs=10)
        self._writer.add_text("settings", f"```\n{dump_yaml(run.settings)}```")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a scalar for each value."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()
