"""Better and worse answers: which of them training made likelier."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.pairs import choice_words, chosen_share
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.chat import Wording
from luthier.records import Item, Listener, Message, Worded, nobody_listens


class Reads(Protocol):
    """An engine that gives likelihoods."""

    @property
    def wording(self) -> Wording:
        """How messages become ids."""

    def nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener) -> list[float]:
        """Total nats of the trained tokens of each row."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Base and tuned read both answers of every item."""
    base, tuned = (
        room.meter.ask(name, partial(read, items, engine=room.engine, adapter=name == "tuned", listener=room.listener))
        for name in ("base", "tuned")
    )
    return Sitting(score(items, base, base=base), score(items, tuned, base=base))


def read(
    items: Sequence[Item], *, engine: Reads, adapter: bool, listener: Listener = nobody_listens
) -> list[tuple[float, float]]:
    """Log-likelihood of the better and of the worse answer of every item; 0 of one that is not there."""
    rows = answer_rows(items, wording=engine.wording)
    nats = dict(zip((row.id for row in rows), engine.nats(rows, adapter=adapter, listener=listener), strict=True))
    return [(-nats.get(f"{item.id}-0", 0.0), -nats.get(f"{item.id}-1", 0.0)) for item in items]


def score(items: Sequence[Item], logp: Sequence[tuple[float, float]], *, base: Sequence[tuple[float, float]]) -> Arm:
    """Win rate by the implicit reward, log p - log p of the base (Rafailov et al. 2023, arXiv:2305.18290, section 4);
    where every item has two answers also pair accuracy of log p alone.

    The reward of an answer that is not there is the base's, 0.
    """
    leads = [(now[0] - before[0]) - (now[1] - before[1]) for now, before in zip(logp, base, strict=True)]
    shares = {"win_rate": [chosen_share(lead) for lead in leads], "ended": [1.0] * len(items)}
    if all(all(item.golds) for item in items):
        shares["pair_accuracy"] = [chosen_share(better - worse) for better, worse in logp]
    return Arm(tuple(choice_words(lead) for lead in leads), (True,) * len(items), shares)


def answer_rows(items: Sequence[Item], *, wording: Wording) -> list[Worded]:
    """A row for each answer of each item, the prompt's own answers as context: the better, then the worse."""
    rows = []
    for item in items:
        asked = [replace(turn, weight=0) if turn.role == "assistant" else turn for turn in item.messages]
        for place, gold in enumerate(item.golds):
            if gold:
                chat = wording.chat_ids([*asked, Message("assistant", gold)], tools=item.tools)
                rows.append(Worded(f"{item.id}-{place}", item.document, item.at, chat.ids, chat.trained))
    return rows
