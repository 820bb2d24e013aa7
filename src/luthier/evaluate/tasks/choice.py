"""Questions with options: how likely a model holds each of them to be what comes next."""

from collections.abc import Sequence
from typing import Protocol

from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.options import option_scores, option_words
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.tasks import continued
from luthier.models.chat import Wording
from luthier.records import Item, Listener, Worded, nobody_listens


class Reads(Protocol):
    """An engine that gives likelihoods of rows that begin alike."""

    @property
    def wording(self) -> Wording:
        """How texts become ids."""

    def branch_nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener) -> list[float]:
        """Total nats of the trained tokens of each row."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Every arm of the plan reads every option."""
    wording = room.engine.wording
    longest = max((len(wording.document_ids(f" {option}")) for item in items for option in item.options), default=0)
    return continued.sit(items, room, ask, answer=longest)


def ask(
    items: Sequence[Item],
    texts: Sequence[str],
    *,
    engine: Reads,
    adapter: bool,
    listener: Listener = nobody_listens,
) -> Arm:
    """What the tuned model (`adapter`) or the base makes of the options behind these texts, one for each item."""
    branches = [option_rows(item, text, engine.wording) for item, text in zip(items, texts, strict=True)]
    rows = [row for branch in branches for row in branch]
    nats = engine.branch_nats(rows, adapter=adapter, listener=listener)
    found = iter(-value / row.answer_bytes for row, value in zip(rows, nats, strict=True))
    arm = score(items, [[next(found) for _ in item.options] for item in items])
    # The text is read once; of every option what is its own.
    read = [len(branch[0].ids) + sum(sum(row.trained) for row in branch[1:]) for branch in branches]
    return continued.with_tokens(arm, read, [0] * len(items))


def score(items: Sequence[Item], logs: Sequence[Sequence[float]]) -> Arm:
    """Scores of all items from log p per byte of their options; of letters, which are one byte, that is log p."""
    scores = [option_scores(found, item.options.index(item.golds[0])) for item, found in zip(items, logs, strict=True)]
    names = ("p_gold", "accuracy", "brier")
    columns = {name: [each[name] for each in scores] for name in names} | {"ended": [1.0] * len(items)}
    texts = tuple(option_words(item.options, found) for item, found in zip(items, logs, strict=True))
    return Arm(texts=texts, ended=(True,) * len(items), scores=columns)


def option_rows(item: Item, text: str, wording: Wording) -> list[Worded]:
    """A row for each option: the text, then the option, which alone is counted."""
    return [
        wording.continued_row(text, f" {option}", row_id=f"{item.id}-{place}", group=item.document, at=item.at)
        for place, option in enumerate(item.options)
    ]
