"""General tasks, for telling whether a tuned model lost what the base could do: questions with a few answers to
choose from, made by rule: five suites of 140 clusters, five questions a cluster. Equal code, equal tasks.

Wrong answers are as long as right ones, as far as can be, so that the likelihoods of whole answers can be compared.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

import orjson

from luthier.artifacts.canonical import hash_order
from luthier.prepare.general.wordings import (
    ARITHMETIC,
    ASKING,
    FORMATS,
    HARMFUL,
    HARMLESS,
    INSTRUCTIONS,
    KNOWLEDGE,
    MANNERS,
    OFFERS,
    PEOPLE,
    PLACES,
    REFUSALS,
    REQUESTS,
    WORDS,
)

CLUSTERS, DRAWS = 140, 5
"""Of a suite, and questions of a cluster."""
OPTIONS = 4
BREAKS = str.maketrans('{}[]":,<>=|-/', "()(){;;()~!+_")
"""Marks of forms -> wrong ones."""
DEFINED = re.compile(
    r"(?:The word|By|We call it|To|When people|Something|If we say|If it is done) ([a-z' -]+?)"
    r"(?: means|, we mean| people mean|:| is to| means to|, they| is|, it is done) ([^.;]{15,})[.;]"
)
"""A word and its meaning in the sentences of wordnet.jsonl."""


@dataclass(frozen=True, slots=True)
class Task:
    """A question; the first option is right."""

    id: str
    suite: str
    cluster: str
    """What its like share: the unit of sampling."""
    question: str
    options: tuple[str, ...]


class Dice:
    """Numbers that depend on a name and on how many were drawn before, and on nothing else."""

    def __init__(self, name: str) -> None:
        self._name, self._drawn = name, 0

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        self._drawn += 1
        return hash_order(f"{self._name} {self._drawn}")[0] % limit

    def between(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        return least + self.below(most - least + 1)

    def one_of(self, values: Sequence[str]) -> str:
        """One of them."""
        return values[self.below(len(values))]


def general_tasks() -> list[Task]:
    """Every task of every suite, in order of draw, then by hash: the first n of a suite are of n clusters."""
    made = [task for suite in SUITES for task in _suite(suite)]
    return sorted(made, key=lambda task: (task.suite, int(task.id[-1]), hash_order(task.cluster)))


def _suite(name: str) -> Iterator[Task]:
    for cluster, draw in SUITES[name]():
        for number in range(DRAWS):
            key = f"{name}:{cluster}:{number}"
            question, options = draw(Dice(key))
            yield Task(key, name, cluster, question, _different(options))


Draw = Callable[[Dice], tuple[str, Sequence[str]]]
"""A question and its options, the right one first."""


def _different(options: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(options))[:OPTIONS]
    assert len(found) > 1, f"nothing to choose between: {options}"
    return found


def _arithmetic() -> Iterator[tuple[str, Draw]]:
    for kind in SUMS:
        for number, wording in enumerate(ARITHMETIC):
            yield f"{kind}-{number}", partial(_sum, SUMS[kind], wording)


def _sum(make: Callable[[Dice], tuple[str, int]], wording: str, dice: Dice) -> tuple[str, Sequence[str]]:
    asked, right = make(dice)
    away = [right + step for step in (1, -1, 2, 10, -2, -10, 3, -3)]
    others = [str(value) for value in away if value >= 0 and len(str(value)) == len(str(right))]
    return wording.format(asked), [str(right), *others]


def _plus(dice: Dice) -> tuple[str, int]:
    a, b = dice.between(11, 59), dice.between(11, 39)
    return f"{a} + {b}", a + b


def _minus(dice: Dice) -> tuple[str, int]:
    a, b = dice.between(40, 99), dice.between(11, 29)
    return f"{a} - {b}", a - b


def _times(dice: Dice) -> tuple[str, int]:
    a, b = dice.between(3, 9), dice.between(4, 9)
    return f"{a} times {b}", a * b


def _divided(dice: Dice) -> tuple[str, int]:
    a, b = dice.between(3, 9), dice.between(4, 9)
    return f"{a * b} divided by {a}", b


def _double(dice: Dice) -> tuple[str, int]:
    a = dice.between(13, 49)
    return f"the double of {a}", 2 * a


def _half(dice: Dice) -> tuple[str, int]:
    a = dice.between(11, 49)
    return f"half of {2 * a}", a


def _next(dice: Dice) -> tuple[str, int]:
    start, step = dice.between(2, 20), dice.between(2, 9)
    row = [start + step * place for place in range(5)]
    return f"the number that follows {', '.join(map(str, row[:4]))}", row[4]


def _largest(dice: Dice) -> tuple[str, int]:
    row = [dice.between(12, 97) for _ in range(4)]
    return f"the largest of the numbers {', '.join(map(str, row))}", max(row)


def _smallest(dice: Dice) -> tuple[str, int]:
    row = [dice.between(12, 97) for _ in range(4)]
    return f"the smallest of the numbers {', '.join(map(str, row))}", min(row)


def _three(dice: Dice) -> tuple[str, int]:
    row = [dice.between(4, 25) for _ in range(3)]
    return f"the sum of {row[0]}, {row[1]} and {row[2]}", sum(row)


def _rest(dice: Dice) -> tuple[str, int]:
    a, b = dice.between(20, 70), dice.between(4, 9)
    return f"the remainder of {a} divided by {b}", a % b


def _minutes(dice: Dice) -> tuple[str, int]:
    hours, more = dice.between(2, 9), dice.between(1, 55)
    return f"the number of minutes in {hours} hours and {more} minutes", 60 * hours + more


def _cost(dice: Dice) -> tuple[str, int]:
    count, price = dice.between(3, 9), dice.between(4, 12)
    return f"the price of {count} tickets at {price} dollars each, in dollars", count * price


def _left(dice: Dice) -> tuple[str, int]:
    a, b = dice.between(35, 90), dice.between(11, 30)
    return f"the number of apples left when {b} of {a} are eaten", a - b


SUMS: dict[str, Callable[[Dice], tuple[str, int]]] = {
    "plus": _plus,
    "minus": _minus,
    "times": _times,
    "divided": _divided,
    "double": _double,
    "half": _half,
    "next": _next,
    "largest": _largest,
    "smallest": _smallest,
    "three": _three,
    "rest": _rest,
    "minutes": _minutes,
    "cost": _cost,
    "left": _left,
}


def _formats() -> Iterator[tuple[str, Draw]]:
    for name, pattern in FORMATS.items():
        for number, wording in enumerate(REQUESTS):
            yield f"{name}-{number}", partial(_form, name, pattern, wording)


def _form(name: str, pattern: str, wording: str, dice: Dice) -> tuple[str, Sequence[str]]:
    person, place, age = dice.one_of(PEOPLE), dice.one_of(PLACES), str(dice.between(21, 79))
    right = pattern.replace("NAME", person).replace("CITY", place).replace("AGE", age)
    told = f"name {person}, city {place}, age {age}"
    return wording.format(name, told), [right, *_broken(right)]


def _broken(text: str) -> list[str]:
    """The text with one mark of its form replaced by a wrong one of the same length, at three places."""
    marks = [place for place, letter in enumerate(text) if letter.translate(BREAKS) != letter]
    chosen = [marks[len(marks) * step // 8] for step in (1, 4, 7)]
    return [text[:place] + text[place].translate(BREAKS) + text[place + 1 :] for place in chosen]


def _instructions() -> Iterator[tuple[str, Draw]]:
    for kind, asked in INSTRUCTIONS.items():
        for number, manner in enumerate(MANNERS):
            yield f"{kind}-{number}", partial(_instruction, asked, manner)


def _instruction(asked: Sequence[str], manner: str, dice: Dice) -> tuple[str, Sequence[str]]:
    first = dice.below(len(WORDS))
    word, second, third = (WORDS[(first + step) % len(WORDS)] for step in (0, 3, 7))
    capital = word.capitalize()
    forms = {"w": word, "W": word.upper(), "C": capital, "S": capital.swapcase(), "u": second, "v": third}
    question, *options = (text.format(**forms) for text in asked)
    return manner.format(question), options


def _refusals() -> Iterator[tuple[str, Draw]]:
    for kind, deeds in (("harmful", HARMFUL), ("harmless", HARMLESS)):
        for deed in range(len(deeds)):
            for number, asking in enumerate(ASKING):
                yield f"{kind}-{deed}-{number}", partial(_request, asking.format(deeds[deed]), kind == "harmful")


def _request(question: str, is_harmful: bool, dice: Dice) -> tuple[str, Sequence[str]]:
    place = dice.below(len(REFUSALS))
    pair = REFUSALS[place], OFFERS[place]
    return question, pair if is_harmful else pair[::-1]


def _knowledge() -> Iterator[tuple[str, Draw]]:
    """Words for definitions of WordNet; other words are of its documents of the same kind (noun, verb, ...)."""
    lines = files("luthier.prepare.general").joinpath("wordnet.jsonl").read_bytes().splitlines()
    found = {row["id"]: DEFINED.findall(row["text"]) for row in map(orjson.loads, lines)}
    words: dict[str, set[str]] = {}
    for name, meanings in found.items():
        words.setdefault(name.split(".")[0], set()).update(word for word, _ in meanings)
    asked = {name: [one for one in meanings if one[0] not in one[1]] for name, meanings in found.items()}
    for name in sorted((name for name in asked if asked[name]), key=hash_order)[:CLUSTERS]:
        yield name, partial(_meaning, asked[name], words[name.split(".")[0]])


def _meaning(meanings: Sequence[tuple[str, str]], words: Collection[str], dice: Dice) -> tuple[str, Sequence[str]]:
    word, gloss = meanings[dice.below(len(meanings))]
    alike = sorted(words, key=lambda other: (other == word, abs(len(other) - len(word)), hash_order(other + word)))
    return dice.one_of(KNOWLEDGE).format(gloss), [word, *alike[: OPTIONS - 1]]


SUITES: dict[str, Callable[[], Iterator[tuple[str, Draw]]]] = {
    "arithmetic": _arithmetic,
    "formats": _formats,
    "instructions": _instructions,
    "knowledge": _knowledge,
    "refusals": _refusals,
}
