"""Pairs of answers whose better one is known: what a judge must see before it may judge."""

import random
from dataclasses import dataclass

OF_EACH = 25
KINDS = ("truncated", "wrong number", "shuffled", "verbose")
"""The last one says the same in more words: neither answer is better."""
GOODS = ("chairs", "bicycles", "lamps", "crates of apples", "printers", "jackets", "spare wheels", "books")
PLACES = ("the warehouse in Leeds", "the harbour store", "the depot at the station", "the shop on Mill Road")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and two answers to it."""

    kind: str
    question: str
    better: str
    worse: str


def planted_pairs(seed: int) -> list[Pair]:
    """25 pairs of each kind, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - made-up stories, no secrets
    return [_pair(KINDS[place % len(KINDS)], chance) for place in range(OF_EACH * len(KINDS))]


def _pair(kind: str, chance: random.Random) -> Pair:
    goods, place = chance.choice(GOODS), chance.choice(PLACES)
    first, second = sorted(chance.sample(DAYS, 2), key=DAYS.index)
    had, came, left = chance.randint(200, 900), chance.randint(20, 190), chance.randint(20, 190)
    question = (
        f"On {first} morning {place} held {had} {goods}. On {first} another {came} came in, and on {second} {left} "
        f"were sent out. How many {goods} were left on {second} evening, and how do you know?"
    )
    kept = had + came - left
    steps = f"It began with {had} and received {came}, which makes {had + came}. Then {left} were sent out."
    answer = f"{steps} So {kept} {goods} were left on {second} evening."
    match kind:
        case "truncated":
            words = answer.split()
            worse = " ".join(words[: len(words) // 3])
        case "wrong number":
            wrong = kept + chance.choice((-1, 1)) * chance.randint(7, 60)
            worse = f"{steps} So {wrong} {goods} were left on {second} evening."
        case "shuffled":
            words = answer.split()
            chance.shuffle(words)
            worse = " ".join(words)
        case _:
            worse = (
                f"Let us look at this step by step, in the order in which it happened. {steps} "
                "Taking all of this together, the number that we were asked for follows directly. "
                f"So {kept} {goods} were left on {second} evening, and that is the answer to the question."
            )
    return Pair(kind, question, answer, worse)
