"""What it takes to let all arms sit an exam, and what comes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.evaluate.arms import Arm
from luthier.evaluate.config import EvaluateConfig
from luthier.evaluate.cost import Meter
from luthier.models.engines.hf import Engine
from luthier.records import Item, Listener


@dataclass(frozen=True, slots=True)
class Room:
    """What every kind of item may need to be asked."""

    exam: ExamDir
    dataset: DatasetDir
    engine: Engine
    config: EvaluateConfig
    listener: Listener
    plan: Mapping[str, Any]
    meter: Meter = field(default_factory=Meter)

    @property
    def labels(self) -> list[str]:
        """Labels of the dataset, in the order of the model's outputs."""
        return [str(label) for label in self.dataset.manifest.facts.get("labels") or ()]


@dataclass(frozen=True, slots=True)
class Sitting:
    """All arms' answers and how they came about."""

    base: Arm
    tuned: Arm
    rules: dict[str, Any] = field(default_factory=dict)
    """What was settled while asking: answer limit, strength of the probe."""
    rivals: dict[str, Arm] = field(default_factory=dict)
    """Other ways to do the work."""


Sit = Callable[[Sequence[Item], Room], Sitting]
