"""Short answers in words: ask greedily, score by exact match."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from luthier.artifacts.sealed import sources_in
from luthier.evaluate.arms import BOTH, FEW_SHOT, OPEN_BOOK, RETRIEVAL, TUNED, Arm
from luthier.evaluate.prompts import Limits, Prompt, Shelf
from luthier.evaluate.sitting import Room, Sitting
from luthier.graders.matches import exact_match
from luthier.models.chat import Wording
from luthier.records import Answer, Item, Listener, nobody_listens

NO_EXAMPLES = (
    "No training row could be read back as a question and its answer, as the base's template words it: few-shot was "
    "asked without examples."
)


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
    """Every arm of the plan writes its answers; what each is shown first is `prompts.py`'s."""
    wording = room.engine.wording
    limit = answer_limit(items, wording, setting=room.config.max_answer_tokens)
    shown, rules = _prompts(items, room, limit)
    asking = partial(ask, engine=room.engine, listener=room.listener)
    arms = {}
    for adapter in (False, True):
        room.meter.warm_up(partial(asking, items[:2], shown["base"][:2], adapter=adapter, max_tokens=2))
    for name, prompts in shown.items():
        adapter = name in TUNED
        arms[name] = room.meter.ask(name, partial(asking, items, prompts, adapter=adapter, max_tokens=limit))
    base, tuned = arms.pop("base"), arms.pop("tuned")
    return Sitting(base, tuned, {"max_answer_tokens": limit, **rules}, arms)


def ask(
    items: Sequence[Item],
    prompts: Sequence[Sequence[int]],
    *,
    engine: Generates,
    adapter: bool,
    max_tokens: int,
    listener: Listener = nobody_listens,
) -> Arm:
    """Answers of the tuned model (`adapter`) or of the base to these prompts."""
    answers = engine.generate(prompts, adapter=adapter, max_tokens=max_tokens, listener=listener)
    arm = score(items, [answer.text for answer in answers], [answer.ended for answer in answers])
    # The token that ends an answer is computed like the others.
    written = [len(answer.ids) + answer.ended for answer in answers]
    return replace(arm, tokens=tuple(zip(map(len, prompts), written, strict=True)))


def _prompts(items: Sequence[Item], room: Room, limit: int) -> tuple[dict[str, list[Prompt]], dict[str, Any]]:
    """Arm -> prompts of all items, in the plan's order, and what is to be told of them."""
    wording, arms = room.engine.wording, room.plan["arms"]
    bare = [wording.prompt_ids(item.messages, tools=item.tools) for item in items]
    shown: dict[str, list[Prompt]] = {"base": bare, "tuned": bare}
    rules: dict[str, Any] = {}
    if len(arms) > len(shown):
        instruction = room.dataset.manifest.facts.get("instruction")
        shelf = Shelf(room.dataset.file("train.parquet"), items, wording=wording, instruction=instruction)
        limits = Limits(wording.context, limit)
        rules = {"examples": shelf.examples} if shelf.examples else {"caveats": [NO_EXAMPLES]}
    if FEW_SHOT in arms:
        shown[FEW_SHOT] = [shelf.few_shot(item, limits) for item in items]
    if {RETRIEVAL, BOTH} & set(arms):
        found = [shelf.with_texts(item, shelf.found(item), limits) for item in items]
        shown |= {name: found for name in (RETRIEVAL, BOTH) if name in arms}
    if OPEN_BOOK in arms:
        sources = sources_in(room.exam)
        shown[OPEN_BOOK] = [shelf.with_source(item, sources[item.id], limits) for item in items]
    return shown, rules


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
