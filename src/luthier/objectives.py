"""One table: the only place that knows what differs between a decoder's job and an encoder's."""

from dataclasses import dataclass
from typing import Literal

from luthier.errors import UserError

Head = Literal["causal", "sequence", "scalar", "token", "span", "pooled", "masked"]
RecordKind = Literal["text", "chat", "label", "preference", "rating", "graded", "tags", "extraction", "pair"]
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
CLASSIFY, TAG, EXTRACT = "/luthier/v1/classify", "/luthier/v1/tag", "/luthier/v1/extract"


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
    endpoint: str | None
    """The HTTP route that serves it; None if none does."""
    also: tuple[RecordKind, ...] = ()
    """Further kinds of example it learns from as they are."""
    apart: bool = False
    """Whether the texts of a row (its `ends`) are read one by one; else several texts are read as one."""

    @property
    def talks(self) -> bool:
        """Whether it learns from conversations, which the chat template words."""
        return self.record in {"chat", "preference", "graded"}

    @property
    def is_asked(self) -> bool:
        """Whether its exam asks questions that are answered in words."""
        return self.record in {"chat", "graded"}

    @property
    def needs_decoder(self) -> bool:
        """Whether its head stands on a model that reads from left to right."""
        return self.head in {"causal", "scalar"}


OBJECTIVES: dict[str, Objective] = {
    one.name: one
    for one in (
        Objective("complete", record="text", head="causal", primary_metric="bits_per_byte", endpoint=CHAT),
        Objective("chat", record="chat", head="causal", primary_metric="exact_match", endpoint=CHAT),
        Objective(
            "prefer",
            record="preference",
            head="causal",
            primary_metric="win_rate",
            endpoint=CHAT,
            also=("rating",),
            apart=True,
        ),
        Objective(
            "reward", record="preference", head="scalar", primary_metric="pair_accuracy", endpoint=None, apart=True
        ),
        Objective("reinforce", record="graded", head="causal", primary_metric="exact_match", endpoint=CHAT),
        Objective("classify", record="label", head="sequence", primary_metric="macro_f1", endpoint=CLASSIFY),
        Objective("tag", record="tags", head="token", primary_metric="span_f1", endpoint=TAG),
        Objective("extract", record="extraction", head="span", primary_metric="token_f1", endpoint=EXTRACT),
        Objective("embed", record="pair", head="pooled", primary_metric="ndcg_10", endpoint=EMBED, apart=True),
        Objective("fill", record="text", head="masked", primary_metric="bits_per_token", endpoint=EMBED),
    )
}


def objective(name: str) -> Objective:
    """Look an objective up by its name; UserError names the ones that exist."""
    if name not in OBJECTIVES:
        raise UserError(f"objective '{name}' does not exist. Choose one of: {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]
