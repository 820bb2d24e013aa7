"""Questions for a number: the model goes on with the text, and the last number of the line it writes counts."""

from collections.abc import Sequence

from luthier.evaluate.arms import Arm
from luthier.evaluate.sitting import Room, Sitting
from luthier.evaluate.tasks import continued
from luthier.evaluate.tasks.generate import Generates
from luthier.graders.numbers import last_number, number_score
from luthier.records import Item, Listener, nobody_listens

MOST_TOKENS = 24
"""Of an answer: a number and a few words."""


def sit(items: Sequence[Item], room: Room) -> Sitting:
    """Every arm of the plan writes its answers."""
    return continued.sit(items, room, ask, answer=MOST_TOKENS)


def ask(
    items: Sequence[Item],
    texts: Sequence[str],
    *,
    engine: Generates,
    adapter: bool,
    listener: Listener = nobody_listens,
) -> Arm:
    """What the tuned model (`adapter`) or the base writes behind these texts, up to the end of the line."""
    prompts = [engine.wording.document_ids(text) for text in texts]
    answers = engine.generate(prompts, adapter=adapter, max_tokens=MOST_TOKENS, listener=listener)
    arm = score(items, [answer.text.strip().partition("\n")[0] for answer in answers])
    # The token that ends an answer is computed like the others.
    return continued.with_tokens(arm, list(map(len, prompts)), [len(answer.ids) + answer.ended for answer in answers])


def score(items: Sequence[Item], texts: Sequence[str]) -> Arm:
    """Numeric match of given answers, and which of them hold no number."""
    right = [number_score(text, item.golds[0]) for item, text in zip(items, texts, strict=True)]
    unread = [float(last_number(text) is None) for text in texts]
    scores = {"numeric_match": right, "unread": unread, "ended": [1.0] * len(items)}
    return Arm(texts=tuple(texts), ended=(True,) * len(items), scores=scores)
