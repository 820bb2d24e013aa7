"""What the base model makes of the training rows: asked for by a setting, reported, never acted on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luthier.artifacts.canonical import hash_order
from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.models.chat import Wording
from luthier.models.receipts import learnt_stretches
from luthier.objectives import Objective
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.clean.quality import unusual
from luthier.prepare.clean.relevance import difficulty, unhelpful
from luthier.records import Listener, Tick, Worded

MOST_ROWS, MOST_TOKENS = 2_000, 131_072
"""What the base reads: a few minutes on two cores. Of more rows, those with the smallest hashes."""
DIGITS = 3
"""Of nats: what sums in another order change is behind them."""


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """What the base made of the rows it read."""

    read: int
    of: int
    """Training rows."""
    median: float
    """Nats per byte of what is learnt."""
    unusual: Sequence[tuple[str, float, float]] | None
    """Row id, nats per byte and robust z of rows in both tails, most unusual first; None unless asked for."""
    unhelpful: Sequence[tuple[str, float]] | None
    """Row id and IFD of answers that their question does not help to foretell; None unless asked for."""


def check_wanted(config: CleanConfig, objective: Objective) -> None:
    """UserError if the base cannot be asked what the settings want to know."""
    for name, possible in (
        ("likelihood", objective.head == "causal" and not objective.apart),
        ("helpful_questions", objective.is_asked),
    ):
        if getattr(config, name) and not possible:
            wanted = "text that is written" if name == "likelihood" else "questions with written answers"
            raise UserError(
                f"prepare.clean.{name} asks about {wanted}, which objective '{objective.name}' does not learn. "
                "Take the line out of the project file."
            )


def read_by_base(rows: Sequence[Worded], base: Base, config: CleanConfig, *, listener: Listener) -> Likelihoods | None:
    """Let the base read training rows, and their answers alone for `helpful_questions`; None unless asked to.

    IFD (Li et al. 2023) compares the same tokens: the learnt ones behind their conversation, and alone behind a start.
    """
    if not (config.likelihood or config.helpful_questions) or not rows:
        return None
    from luthier.models.engines.hf import load_engine

    chosen = _sample(rows)
    engine = load_engine(base, tuned=None)

    def nats(some: Sequence[Worded], what: str) -> list[float]:
        def tell(tick: Tick) -> None:
            listener(Tick("prepare", tick.done, tick.total, f"the base reads {what}"))

        return [round(value, DIGITS) for value in engine.nats(some, adapter=False, listener=tell)]

    ids = [row.id for row in chosen]
    given = nats(chosen, "training rows")
    per_byte = np.array(given) / [max(1, row.answer_bytes) for row in chosen]
    helped = None
    if config.helpful_questions:
        owners, stretches = _alone(chosen, engine.wording)
        sums = np.bincount(owners, weights=nats(stretches, "answers without their questions"), minlength=len(chosen))
        helped = unhelpful(ids, difficulty(given, sums.tolist()))
    return Likelihoods(
        read=len(chosen),
        of=len(rows),
        median=float(np.median(per_byte)),
        unusual=unusual(ids, per_byte, z=config.outlier_z) if config.likelihood else None,
        unhelpful=helped,
    )


def _sample(rows: Sequence[Worded]) -> list[Worded]:
    """As many rows as may be read, at least one, by id."""
    chosen: list[Worded] = []
    tokens = 0
    for row in sorted(rows, key=lambda row: hash_order(row.id))[:MOST_ROWS]:
        tokens += len(row.ids)
        if chosen and tokens > MOST_TOKENS:
            break
        chosen.append(row)
    return sorted(chosen, key=lambda row: row.id)


def _alone(rows: Sequence[Worded], wording: Wording) -> tuple[list[int], list[Worded]]:
    """Every learnt stretch behind a start token only, and the number of its row."""
    start = wording.end_ids[0] if wording.start_id is None else wording.start_id
    owners, alone = [], []
    for owner, row in enumerate(rows):
        for first, end in learnt_stretches(row):
            ids = (start, *row.ids[first:end])
            trained = (False, *(True for _ in ids[1:]))
            owners.append(owner)
            alone.append(Worded(row.id, row.group, row.at, ids, trained, (), row.answer_bytes))
    return owners, alone
