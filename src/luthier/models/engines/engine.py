"""What every engine offers; light, so that whoever serves or asks need not load a library."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from luthier.models.chat import Wording


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; `seed` decides everything else."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class AnswersTokens(Protocol):
    """An engine as serving sees it."""

    @property
    def wording(self) -> Wording:
        """How messages become ids."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of a classifier, BIO labels of a tagger; empty for others."""

    @property
    def objective(self) -> str:
        """Name of what the model learnt."""

    def stream(self, prompt: Sequence[int], *, adapter: bool, sampling: Sampling) -> Iterator[int]:
        """Generated ids without the end token; closing the iterator aborts."""

    @property
    def several(self) -> bool:
        """Whether a text can have several labels, or none."""

    def classify(self, rows: Sequence[Sequence[int]], *, seconds: Sequence[int] = ()) -> Any:
        """Probabilities [rows, labels]; `seconds` says where the second of two texts begins in each row."""

    def tag(self, rows: Sequence[Sequence[int]]) -> Any:
        """Label probabilities [tokens, labels] of every row."""

    def point(self, rows: Sequence[Sequence[int]], seconds: Sequence[int]) -> Any:
        """Logits [tokens, 2] of where an answer starts and ends in every row, whose second text begins at `seconds`."""

    def embed(self, rows: Sequence[Sequence[int]], *, adapter: bool) -> Any:
        """A vector of each text: [rows, width]."""
