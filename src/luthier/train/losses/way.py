"""What each objective's loss file offers: how the objective is learnt on one architecture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from luthier.graders.marking import Markings
from luthier.models.chat import Wording
from luthier.models.forward import Forward, TokenRows
from luthier.models.load import Loaded
from luthier.train.config import TrainConfig
from luthier.train.learner import Dress, Loss


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a way may depend on besides the model."""

    wording: Wording
    config: TrainConfig
    trained_tokens: int
    """In all training rows."""
    label_rows: tuple[int, ...] = ()
    """Training rows of each label."""
    rated: tuple[int, int] = (0, 0)
    """Training rows that hold one answer, called bad and called good."""
    longest_answer: int = 0
    """Most trained tokens of a row."""
    markings: Markings | None = None
    """What grades answers; None where none are graded."""


@dataclass(frozen=True, slots=True)
class Way:
    """A loss, and what is known about computing it."""

    loss: Loss
    reason: str
    """Which path its states take, and why."""
    packs: bool = False
    """Whether micro-batches are filled up without counting padding."""
    forward: Forward | None = None
    """How its states are computed, for rows of the base's own text beside it; None if it is not reminded of any."""
    shared: Loss | None = None
    """The same loss with what rows begin with computed once; None if there is none."""
    refusal: str | None = None
    """Why there is none here, where other architectures have one."""
    copies: int = 1
    """Rows that a step makes of each row it is given."""
    is_tree: bool = False
    """Whether the loss computes what these copies begin with once."""
    dress: Dress | None = None
    """What a step makes of a row before it learns from it; None: nothing."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """More that was decided, in words."""


Choose = Callable[[Loaded, TokenRows, Lesson], Way]
"""Finds the way for a model, on a sample of rows."""
