"""One table: the only place that knows what differs between a decoder's job and an encoder's."""

from dataclasses import dataclass
from typing import Literal

from luthier.errors import UserError

Head = Literal["causal", "sequence"]
RecordKind = Literal["text", "chat", "label"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What goes together for one kind of training."""

    name: str
    record: RecordKind
    """Kind of example it learns from (`records.py`); prepare converts between kinds where nothing is lost."""
    head: Head
    """What the model ends in."""
    primary_metric: str
    """The metric that decides the verdict (`evaluate/metrics/`)."""
    endpoint: str
    """The HTTP route that serves it."""


OBJECTIVES: dict[str, Objective] = {
    "complete": Objective(
        name="complete", record="text", head="causal", primary_metric="bits_per_byte", endpoint="/v1/chat/completions"
    ),
    "chat": Objective(
        name="chat", record="chat", head="causal", primary_metric="exact_match", endpoint="/v1/chat/completions"
    ),
    "classify": Objective(
        name="classify", record="label", head="sequence", primary_metric="macro_f1", endpoint="/luthier/v1/classify"
    ),
}


def objective(name: str) -> Objective:
    """Look an objective up by its name; UserError names the ones that exist."""
    if name not in OBJECTIVES:
        raise UserError(f"objective '{name}' does not exist. Choose one of: {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]
