"""What a run is doing, told from inside: one byte in memory that is shared with whoever watches."""

import mmap
from collections.abc import Callable
from typing import Any

from luthier.train import stage
from luthier.train.checkpoint import CheckpointStore
from luthier.train.learner import Learner
from luthier.train.session import Session

PHASES = (
    "loading",
    "stepping",
    "validating",
    "committing",
    "rotating",
    "choosing the scale",
    "writing the final model",
    "between steps",
)
POINTS = [
    (Session, "run", 7),
    (Learner, "learn", 1),
    (Session, "validate", 2),
    (CheckpointStore, "commit", 3),
    (CheckpointStore, "_rotate", 4),
    (stage, "_scale", 5),
]
"""Functions, and the phase while they run."""


def show(shared: mmap.mmap) -> None:
    """Write the phase into the first byte from now on."""
    for owner, name, phase in POINTS:
        setattr(owner, name, _marked(getattr(owner, name), phase, shared))
    write = stage._write

    def marked_write(*arguments: Any, **settings: Any) -> None:
        shared[0] = 6  # to the end of the process
        write(*arguments, **settings)

    stage._write = marked_write


def _marked(function: Callable[..., Any], phase: int, shared: mmap.mmap) -> Callable[..., Any]:
    def marked(*arguments: Any, **settings: Any) -> Any:
        before = shared[0]
        shared[0] = phase
        try:
            return function(*arguments, **settings)
        finally:
            shared[0] = before

    return marked
