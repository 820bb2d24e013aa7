"""Questions that are texts which break off: what each arm reads before them, whoever scores what comes next."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from luthier.artifacts.sealed import examples_in, sources_in
from luthier.evaluate.arms import BOTH, FEW_SHOT, OPEN_BOOK, RETRIEVAL, TUNED, Arm
from luthier.evaluate.prompts import Examples, Lead, Limits, Shelf
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.engines.hf import Engine
from luthier.records import Item, Listener


class Ask(Protocol):
    """Lets one arm go on with texts, one for each item, and scores what it makes of them."""

    def __call__(
        self, items: Sequence[Item], texts: Sequence[str], *, engine: Engine, adapter: bool, listener: Listener
    ) -> Arm:
        """The tuned model's answers (`adapter`) or the base's."""


def sit(items: Sequence[Item], room: Room, ask: Ask, *, answer: int) -> Sitting:
    """Every arm of the plan goes on with its texts, and has `answer` tokens of the window left for that."""
    shown = arm_texts(items, room, answer=answer)
    asking = partial(ask, engine=room.engine, listener=room.listener)
    for adapter in (False, True):
        room.meter.warm_up(partial(asking, items[:1], shown["base"][:1], adapter=adapter))
    arms = {
        name: room.meter.ask(name, partial(asking, items, texts, adapter=name in TUNED))
        for name, texts in shown.items()
    }
    return Sitting(arms.pop("base"), arms.pop("tuned"), rivals=arms)


def arm_texts(items: Sequence[Item], room: Room, *, answer: int) -> dict[str, list[str]]:
    """Arm -> the text that it reads for each item."""
    wording, arms = room.engine.wording, room.plan["arms"]
    bare = [item.messages[0].content for item in items]
    shown = {"base": bare, "tuned": bare}
    lead = Lead(wording, Limits(wording.context, answer))
    if FEW_SHOT in arms:
        examples = Examples(examples_in(room.exam), items)
        told = [examples.nearest(item) for item in items]
        shown[FEW_SHOT] = [lead.with_examples(text, each) for text, each in zip(bare, told, strict=True)]
    if {RETRIEVAL, BOTH} & set(arms):
        shelf = Shelf(room.dataset.file("train.parquet"), items, wording=wording, instruction=None)
        found = [lead.with_texts(text, shelf.found(item)) for text, item in zip(bare, items, strict=True)]
        shown |= {name: found for name in (RETRIEVAL, BOTH) if name in arms}
    if OPEN_BOOK in arms:
        sources = sources_in(room.exam)
        shown[OPEN_BOOK] = [
            lead.with_source(text, sources[item.id], item.golds) for text, item in zip(bare, items, strict=True)
        ]
    return shown


def with_tokens(arm: Arm, read: Sequence[int], written: Sequence[int]) -> Arm:
    """The arm with the tokens that it read and wrote for each item."""
    return replace(arm, tokens=tuple(zip(read, written, strict=True)))
