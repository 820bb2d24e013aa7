"""Short answers in words: ask greedily, score by exact match."""

from collections.abc import Sequence
from typing import Protocol

from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.text import exact_match
from luthier.evaluate.sitting import Room, Sitting
from luthier.models.chat import Wording
from luthier.records import Answer, Item, Listener, nobody_listens


class Generates(Protocol):
    """An engine that writes."""

    @property
    def wording(self) -> Wording:
        """How messages become ids."""

    def generate(
        self, prompts: Sequence[Sequence[int]], *, adapter: bool, max_tokens: int, listener: Listener
    ) -> list[Answer]:
        """Greedy answers in the order of the prompts."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Base and tuned write their answers."""
    limit = answer_limit(items, room.engine.wording, setting=room.config.max_answer_tokens)
    base, tuned = (
        ask(items, engine=room.engine, adapter=adapter, max_tokens=limit, listener=room.listener)
        for adapter in (False, True)
    )
    return Sitting(base, tuned, room.general(), {"max_answer_tokens": limit})


def ask(
    items: Sequence[Item], *, engine: Generates, adapter: bool, max_tokens: int, listener: Listener = nobody_listens
) -> Arm:
    """Answers of the tuned model (`adapter`) or of the base to every item's prompt."""
    prompts = [engine.wording.prompt_ids(item.messages, tools=item.tools) for item in items]
    answers = engine.generate(prompts, adapter=adapter, max_tokens=max_tokens, listener=listener)
    return score(items, [answer.text for answer in answers], [answer.ended for answer in answers])


def score(items: Sequence[Item], texts: Sequence[str], ended: Sequence[bool]) -> Arm:
    """Exact match of given answers."""
    matches = [exact_match(text, item.golds) for item, text in zip(items, texts, strict=True)]
    shares = {"exact_match": matches, "ended": [float(end) for end in ended]}
    return Arm(texts=tuple(texts), ended=tuple(ended), scores=shares)


def answer_limit(items: Sequence[Item], wording: Wording, *, setting: int | str) -> int:
    """Most tokens of an answer; `auto`: the longest gold plus 8, at least 16."""
    if isinstance(setting, int):
        return setting
    longest = max((len(wording.text_ids(gold)) for item in items for gold in item.golds), default=0)
    return max(16, longest + 8)
