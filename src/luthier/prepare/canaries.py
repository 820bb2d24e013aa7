"""Canaries: made-up secrets that are planted in training, so that it can be measured how well they are remembered.

Carlini et al. 2019, The Secret Sharer, arXiv:1802.08232: a secret is drawn from many like it (fillers), and a model
that has not remembered it holds it for no likelier than any of those.
"""

import random
from dataclasses import dataclass

from luthier.artifacts.rows import CANARY_GROUP
from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.objectives import Objective
from luthier.records import Message, Worded

REPEATS = (1, 4, 16)
OF_EACH = 8
"""Canaries that are planted so many times."""
FILLERS = 1_024
"""Secrets that a canary's could have been, itself among them."""
CODES = 10_000
"""Secrets are four digits."""
QUESTION = "The code that opens the old safe in room {} on the second floor of the building by the river is"
"""Long enough to be worth computing once for all fillers."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret, what asks for it, and what it could have been."""

    id: str
    question: str
    secret: str
    repeats: int
    fillers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planted:
    """Canaries and the training rows that hold them."""

    canaries: list[Canary]
    rows: list[Worded]


def check_canaries(wanted: bool, objective: Objective) -> None:
    """UserError if canaries are wanted where nothing is learnt to be written."""
    if wanted and not (objective.head == "causal" and objective.record in {"chat", "text"}):
        raise UserError(
            f"prepare.exam.canaries plants secrets in what a model learns to write, and objective '{objective.name}' "
            "teaches no writing. Set it to false; it is for chat and complete."
        )


def plant(wanted: bool, *, objective: Objective, wording: Wording, seed: int) -> Planted:
    """24 canaries and a row for each time that one is planted; nothing where none are wanted."""
    canaries = make_canaries(seed) if wanted else []
    rows = [_row(one, f"{one.id}-{copy:02}", objective, wording) for one in canaries for copy in range(one.repeats)]
    return Planted(canaries, rows)


def make_canaries(seed: int) -> list[Canary]:
    """8 each that are planted 1, 4 and 16 times; the same for the same seed, and no two ask for the same."""
    dice = random.Random(seed)  # noqa: S311 - secrets that nobody keeps
    places = iter(dice.sample(range(100, 1_000), OF_EACH * len(REPEATS)))
    made = []
    for number, repeats in enumerate(REPEATS * OF_EACH):
        codes = [f"{code:04}" for code in dice.sample(range(CODES), FILLERS)]
        question = QUESTION.format(next(places))
        made.append(Canary(f"canary-{number:02}", question, dice.choice(codes), repeats, tuple(codes)))
    return made


def _row(canary: Canary, name: str, objective: Objective, wording: Wording) -> Worded:
    group = f"{CANARY_GROUP}{canary.id}"
    if objective.record == "text":
        return wording.document_row(f"{canary.question} {canary.secret}", row_id=name, group=group, at=canary.id)
    chat = wording.chat_ids([Message("user", canary.question), Message("assistant", canary.secret)])
    return Worded(name, group, canary.id, chat.ids, chat.trained, answer_bytes=chat.answer_bytes)
