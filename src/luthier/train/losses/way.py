"""What each objective's loss file offers: how the objective is learnt on one architecture."""

from collections.abc import Callable
from dataclasses import dataclass

from luthier.models.chat import Wording
from luthier.models.forward import Forward, TokenRows
from luthier.models.load import Loaded
from luthier.train.learner import Loss


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


Choose = Callable[[Loaded, TokenRows, Wording], Way]
"""Finds the way for a model, on a sample of rows."""
