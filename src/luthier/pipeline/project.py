"""The project file: `luthier.yaml` as one object."""

from luthier.collect.config import CollectConfig
from luthier.config import Settings
from luthier.evaluate.config import EvaluateConfig
from luthier.prepare.config import PrepareConfig
from luthier.train.config import TrainConfig


class ServeConfig(Settings):
    """Where the model answers."""

    host: str = "127.0.0.1"
    port: int = 8080


class ProjectConfig(Settings):
    """Everything a run needs."""

    name: str
    """Name of the run; its folder is `<out>/<name>`."""
    objective: str
    """What the model is to learn: see `luthier.objectives`."""
    base: str = "smollm2-135m"
    """A known name, a folder, or `hf:org/name`."""
    out: str = "runs"
    """Folder of runs, relative to the project file."""
    collect: CollectConfig
    prepare: PrepareConfig = PrepareConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    serve: ServeConfig = ServeConfig()
